"""/cache: what each request read from the cache, why not more, and the parts of one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from flowchat.agent.cache import FORGOTTEN, Asked, Difference, Segment
from flowchat.model.model import ModelFacts
from flowchat.model.scripted import ScriptedModel, says
from flowchat.transcript.entries import Usage
from flowchat.ui.cache_screen import LOOKING, NONE, PARTS_LIMIT, ROWS_LIMIT, CacheScreen, Found, part_lines, totals
from flowchat.ui.listing import Listing
from flowchat.ui.palette import DARK
from tests.staging import FACTS, app_on, session_of, until, workspace_at
from tests.ui.test_pickers import Pushed

PRICED = ModelFacts("openai/m", "openai", 1, "config", input_price=3e-6, cached_price=0.3e-6)
FIRST = Asked(4, 0, 3, 1, "run", "openai/m", Usage(20_000, 0), cause="the first request")
KEPT = Asked(9, 60_000, 3, 2, "run", "openai/m", Usage(22_000, 20_000), kept=20_000)
FOLDED = Asked(
    20,
    120_000,
    15,
    1,
    "run",
    "openai/m",
    Usage(12_000, 2_000),
    None,
    "compacted by you",
    0,
    2_000,
    8_000,
    Difference("message", 1, 5),
)
FORGOT = Asked(30, 960_000, 25, 1, "run", "local/m", Usage(13_000, 0), None, FORGOTTEN, 840_000, 12_000, 12_000)
TITLE = Asked(31, 960_000, 0, 0, "title", "openai/m", Usage(300, 0))
UNTOLD = Asked(32, 960_000, 0, 0, "title", "openai/m", None)
FAILED = Asked(33, 960_000, 32, 1, "run", "openai/m", None, "refused", "failed (refused)")
ALL = Found([FIRST, KEPT, FOLDED, FORGOT, TITLE, UNTOLD, FAILED], {3: 1, 15: 2, 25: 3, 32: 4}, {"openai/m": PRICED})
PARTS = [
    Segment("system prompt and tools", 0, "You are", 2_000, "kept", "all"),
    Segment("checkpoint", 5, "## Done\nthings", 1_000, "new", "none"),
    Segment("answer to \x1b[2Jshell", 7, "ok", 8_000, "again", "none"),
    Segment("user", 9, "go on", 1_000, "new", "none"),
]


def screen(found: Found = ALL, parts: Sequence[Segment] = PARTS) -> CacheScreen:
    async def find() -> Found:
        return found

    async def parts_of(line: int) -> Sequence[Segment]:
        return parts

    return CacheScreen(DARK, find, parts_of, 960_000)


def lines_of(app: Any) -> list[str]:
    widgets = [widget for widget in app.screen.query("Rows, Listing") if widget.display]
    return [widget.render_line(y).text.rstrip() for widget in widgets for y in range(widget.size.height)]


@pytest.mark.parametrize("size", [(120, 40), (80, 24)])
async def test_the_newest_request_comes_first_with_its_cause_and_what_was_lost(size: tuple[int, int]) -> None:
    app = Pushed(screen())
    async with app.run_test(size=size) as pilot:
        await until(app, pilot, lambda: bool(app.screen.query_one(Listing).rows))
        assert [row.cells for row in app.screen.query_one(Listing).rows] == [
            ("run 4, step 1  failed (refused)", "no tokens told", ""),
            ("a title", "300 + 0 cached", ""),
            (f"run 3, step 1  {FORGOTTEN}, 14 min after the request before", "13k + 0 cached", "12k again"),
            ("run 2, step 1  compacted by you: message 1 (node 5)", "10k + 2k cached", "$0.02 lost"),
            ("run 1, step 2", "2k + 20k cached", ""),
            ("run 1, step 1  the first request", "20k + 0 cached", ""),
        ]
        assert max(map(len, lines_of(app))) <= size[0]
        assert "run 4, step 1" in "".join(lines_of(app))
        await pilot.press("escape")
        assert app.given == [None]


async def test_on_a_narrow_screen_a_row_says_how_much_was_cached_and_the_rest_is_told_of_the_chosen_one() -> None:
    app = Pushed(screen())
    async with app.run_test(size=(40, 14)) as pilot:
        await until(app, pilot, lambda: bool(app.screen.query_one(Listing).rows))
        await pilot.press("down", "down", "down")
        shown = [" ".join(line.split()) for line in lines_of(app)]
        assert shown[4:10] == [
            "run 4, step 1 failed",
            "a title 0 % cached",
            "run 3, step 1 0 % cached",
            "▸ run 2, step 1 16 % cached",
            "run 1, step 2 90 % cached",
            "run 1, step 1 0 % cached",
        ]
        assert shown[-3:-1] == ["2k of 12k cached, $0.02 lost;", "compacted by you: message 1 (node 5…"]
        await pilot.press("up")
        assert "0 of 13k cached, 12k again; the" in [" ".join(line.split()) for line in lines_of(app)]
        assert max(map(len, lines_of(app))) <= 40


async def test_the_rows_follow_the_width_and_the_same_request_stays_chosen() -> None:
    app = Pushed(screen())
    async with app.run_test(size=(80, 24)) as pilot:
        await until(app, pilot, lambda: bool(app.screen.query_one(Listing).rows))
        await pilot.press("end", "up")
        for width, row in ((40, "▸ run 1, step 2 90 % cached"), (100, "▸ run 1, step 2 2k + 20k cached")):
            await pilot.resize_terminal(width, 24)
            await pilot.pause()
            assert row in [" ".join(line.split()) for line in lines_of(app)]


def test_the_sums_tell_the_hit_rate_and_the_price_as_far_as_it_is_known() -> None:
    assert totals(ALL) == ["32 % cached: 22k of 67k, 6 requests", "20k read again in 2 requests, $0.02+ lost"]
    assert totals(Found([KEPT, UNTOLD], {}, {})) == ["90 % cached: 20k of 22k, 1 request"]
    assert totals(Found([FORGOT], {}, {}))[1] == "12k read again in 1 request"
    silent = Asked(40, 0, 3, 1, "run", "m", None)
    assert totals(Found([KEPT, silent], {}, {})) == ["90 % cached: 20k of 22k, 2 requests", "no tokens were told of 1 request"]
    assert totals(Found([silent, silent], {}, {})) == ["2 requests; no tokens were told of any of them"]
    assert totals(Found([KEPT] * (ROWS_LIMIT + 3), {}, {}))[-1] == "3 earlier requests are in these sums and not below"


async def test_below_the_list_the_chosen_request_is_told_whole() -> None:
    app = Pushed(screen())
    async with app.run_test(size=(60, 24)) as pilot:
        await until(app, pilot, lambda: bool(app.screen.query_one(Listing).rows))
        await pilot.press("down", "down", "down")
        told = " ".join(line.strip() for line in lines_of(app)[-5:-2])
        assert "compacted by you: message 1 (node 5); openai/m, " in told
        assert told.endswith(", 10k + 2k cached")


async def test_enter_shows_the_parts_of_a_request_and_escape_the_list_again() -> None:
    app = Pushed(screen())
    async with app.run_test(size=(80, 24)) as pilot:
        await until(app, pilot, lambda: bool(app.screen.query_one(Listing).rows))
        await pilot.press("down", "enter")  # of a title there is nothing to show
        assert app.screen.query_one(Listing).display
        await pilot.press("down", "down", "enter")
        await until(app, pilot, lambda: "checkpoint" in "".join(lines_of(app)))
        shown = [line for line in lines_of(app) if line.strip()]
        assert shown[0].strip() == "run 2, step 1"
        assert shown[1].strip() == "compacted by you: message 1 (node 5)"
        assert [" ".join(line.split()) for line in shown[3:8]] == [
            "2k cached system prompt and tools You are",
            f"{DARK.glyphs.rule * 2} differs from here on",
            "1k new checkpoint node 5 ## Done things",
            "8k read again answer to ␛shell node 7 ok",
            "1k new user node 9 go on",
        ]
        await pilot.press("escape")
        await pilot.pause()
        assert app.screen.query_one(Listing).display
        assert app.screen.query_one(Listing).chosen_index == 3
        await pilot.press("escape")
        assert app.given == [None]


async def test_parts_are_offered_only_of_a_request_that_has_some() -> None:
    app = Pushed(screen())
    async with app.run_test(size=(80, 24)) as pilot:
        await until(app, pilot, lambda: bool(app.screen.query_one(Listing).rows))
        assert lines_of(app)[-1].split() == ["Enter", "parts", "Esc", "close"]
        await pilot.press("down")  # to a title
        assert lines_of(app)[-1].split() == ["Esc", "close"]


@pytest.mark.parametrize("name", ["a\nb", "a\tb", "a\x1b[2Jb"])
def test_a_part_stays_on_its_line_whatever_the_model_called_it(name: str) -> None:
    [_, line] = part_lines(KEPT, [Segment(f"answer to {name}", 7, "ok", 1, "new", "none")], DARK, 80)
    assert all(character >= " " for text, _ in line for character in text)


async def test_while_the_requests_are_gone_through_and_where_there_are_none_it_says_so() -> None:
    app = Pushed(screen(Found([], {}, {})))
    async with app.run_test(size=(80, 24)) as pilot:
        assert LOOKING in "".join(lines_of(app)) or NONE in "".join(lines_of(app))
        await until(app, pilot, lambda: NONE in "".join(lines_of(app)))
        await pilot.press("enter", "escape")
        assert app.given == [None]


def test_of_a_request_whose_tokens_nobody_told_the_parts_are_estimates_and_none_is_called_cached() -> None:
    fates = ("kept", "new", "again")
    lines = part_lines(KEPT, [Segment("user", 7, "ok", 1_200, fate, "untold") for fate in fates], DARK, 80)
    shown = [" ".join("".join(text for text, _ in line).split()) for line in lines]
    assert [line for line in shown if "user" in line] == [
        "~1.2k as before user node 7 ok", "~1.2k new user node 7 ok", "~1.2k sent again user node 7 ok",
    ]  # fmt: skip


def test_very_many_parts_are_counted() -> None:
    lines = part_lines(KEPT, [PARTS[0]] * (PARTS_LIMIT + 2), DARK, 80)
    assert (len(lines), lines[-1][0][0]) == (PARTS_LIMIT + 1, "  2 more parts are not shown")


@pytest.mark.parametrize("width", [40, 80, 120])
def test_no_line_of_the_parts_is_wider_than_the_screen(width: int) -> None:
    for line in part_lines(FOLDED, [*PARTS, Segment("x" * 200, 7, "y" * 200, 1, "kept", "part")], DARK, width):
        assert sum(len(text) for text, _ in line) <= width


async def test_the_command_shows_the_requests_of_the_session(tmp_path: Path) -> None:
    used = [Usage(4_000, 0, output=5), Usage(4_100, 3_900, output=5)]
    model = ScriptedModel(*(says(f"Answer {n}.", usage=usage) for n, usage in enumerate(used)), facts=FACTS, others={"title": []})
    app = app_on(workspace_at(tmp_path, model))
    async with app.run_test(size=(100, 30)) as pilot:
        await until(app, pilot, lambda: app.chat.session is not None)
        await session_of(app).rename("x")
        for message in ("one", "two"):
            await session_of(app).send(message)
            await session_of(app).idle()
        await pilot.press(*"/cache", "enter")
        await until(app, pilot, lambda: isinstance(app.screen, CacheScreen) and bool(app.screen.query_one(Listing).rows))
        assert [row.cells for row in app.screen.query_one(Listing).rows] == [
            ("run 2, step 1", "200 + 3.9k cached", ""),
            ("run 1, step 1  the first request", "4k + 0 cached", ""),
        ]
        await pilot.press("enter")
        await until(app, pilot, lambda: "new from here on" in "".join(lines_of(app)))
        await pilot.press("escape", "escape")
        await until(app, pilot, lambda: app.screen is app.chat)
        await app.close_session()
