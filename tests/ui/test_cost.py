"""What a session's requests took, added up."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.geometry import Region

from flowchat.errors import StorageFailed
from flowchat.transcript.entries import AnyEntry, AttemptUsed, Forked, Record, RunStarted, Usage, type_name
from flowchat.transcript.times import UNKNOWN, minute
from flowchat.ui.cost_screen import CostScreen, cost_lines
from flowchat.ui.figures import moment
from flowchat.ui.palette import DARK
from flowchat.ui.rows import Rows
from flowchat.ui.spending import RUNS_LIMIT, Bill, Line, Spent, all_of, bill
from tests.ui.test_pickers import Pushed

DAY_MS = 24 * 3600 * 1000
NOON = 1_764_500_000_000
USAGE = Usage(input=1_000, cached=800, output=50)


def used(
    run: int, step: int = 1, attempt: int = 1, purpose: str = "run", cost: float | None = 0.25, **rest: object
) -> AttemptUsed:
    given = {"model": "openai/big", "usage": USAGE, "cost": cost, **rest}
    return AttemptUsed(run, step, attempt, purpose, **given)


def log(*entries: AnyEntry, at: int = NOON) -> list[Record]:
    return [Record(seq, at, None, type_name(entry), entry) for seq, entry in enumerate(entries, 1)]


def lines(found: Bill, width: int = 80) -> list[str]:
    return ["".join(text for text, _ in line).rstrip() for line in cost_lines(found, DARK, width)]


def on_screen(app: Pushed) -> str:
    rows = app.screen.query_one(".fills", Rows)
    return "\n".join(strip.text for strip in rows.render_lines(Region(0, 0, *rows.size)))


Attempt = tuple[int, int, str, float | None, Usage | None, str, int]
ONE = Spent(1, 200, 800, 50, 0.25)


def test_requests_are_added_up_by_step_run_day_and_purpose() -> None:
    run = RunStarted("send", "m")
    records = [
        *log(run, used(1), used(1, 1, 2), used(1, 2), used(1, 2, purpose="compact")),
        *(Record(6 + n, NOON + DAY_MS, None, type_name(e), e) for n, e in enumerate((run, used(6), used(0, 0, purpose="title")))),
    ]
    found = bill(records, NOON + DAY_MS)
    twice = Spent(2, 400, 1600, 100, 0.5)
    assert found.total == Line("session", Spent(6, 1200, 4800, 300, 1.5), 0)
    assert [(line.label, line.spent) for line in found.purposes] == [
        ("answers", Spent(4, 800, 3200, 200, 1.0)),
        ("compactions", ONE),
        ("titles", ONE),
    ]
    assert [line.spent for line in found.days] == [twice, Spent(4, 800, 3200, 200, 1.0)]
    assert [(line.label.partition(",")[0], line.spent, line.depth) for line in found.runs] == [
        ("run 2", ONE, 1),
        ("run 1", Spent(4, 800, 3200, 200, 1.0), 1),
        ("step 1", twice, 2),
        ("step 2", ONE, 2),
        ("compactions", ONE, 2),
    ]


def test_a_copy_begins_at_nothing() -> None:
    records = log(RunStarted("send", "m"), used(1), Forked("new", ("old", 2), "/srv", "0.1"), RunStarted("send", "m"), used(4))
    assert bill(records, NOON).total.spent == ONE


def test_a_price_that_is_not_known_is_said_and_its_tokens_count() -> None:
    found = bill(log(RunStarted("send", "m"), used(1, model="ollama/a"), used(1, 2, cost=None, model="ollama/qwen")), NOON)
    shown = lines(found)
    assert shown[0].split() == ["session", "400", "1.6k", "$0.25+", "100", "2"]
    assert lines(found, 100)[-1] == "  No price is known of qwen: the tokens of 1 request count, their cost does not."
    nothing = bill(log(RunStarted("send", "m"), used(1, cost=None)), NOON)
    assert lines(nothing)[0].split() == ["session", "200", "800", "unknown", "50", "1"]


def test_a_request_that_told_no_tokens_is_counted_and_said_and_one_that_failed_took_nothing_known() -> None:
    records = log(RunStarted("send", "m"), used(1, usage=None, cost=None), used(1, 1, 2, usage=None, cost=None, error="gone"))
    found = bill(records, NOON)
    assert found.total.spent == Spent(2, unreported=1)
    assert lines(found)[-1] == "  1 request told no tokens."


def test_of_requests_whose_server_told_nothing_it_says_how_much_was_sent() -> None:
    found = bill(log(RunStarted("send", "m"), used(1, usage=None, cost=None, sent_bytes=12_800)), NOON)
    assert found.total.spent == Spent(1, unreported=1, untold=3_200)
    assert lines(found)[-1] == "  1 request told no tokens: about 3.2k were sent."


def test_what_each_model_took_stands_apart_where_there_are_several() -> None:
    other = used(1, purpose="compact", model="small\x1b[2J", cost=0.01)
    found = bill(log(RunStarted("send", "m"), used(1), used(1, 2), other), NOON)
    assert [(line.label, line.spent.requests) for line in found.models] == [("openai/big", 2), ("small\x1b[2J", 1)]
    shown = lines(found)
    assert shown[shown.index("  by model") + 1].split()[0] == "openai/big"
    assert "\x1b" not in "".join(shown)
    assert bill(log(RunStarted("send", "m"), used(1)), NOON).models == ()


def test_the_name_of_a_model_stays_on_its_line() -> None:
    other = used(1, purpose="compact", model="small\n\tb", cost=0.01)
    shown = lines(bill(log(RunStarted("send", "m"), used(1), other), NOON))
    assert not any(character < " " for line in shown for character in line)


def test_a_server_that_says_more_came_from_its_cache_than_it_read_makes_nothing_negative() -> None:
    found = bill(log(RunStarted("send", "m"), used(1, usage=Usage(input=10, cached=90, output=5))), NOON)
    assert found.total.spent == Spent(1, 0, 10, 5, 0.25)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 4),
            st.integers(1, 3),
            st.sampled_from(["run", "title", "compact", "review", "worker"]),
            st.sampled_from([None, 0.25, 0.5]),
            st.sampled_from([None, USAGE, Usage(input=7, output=1)]),
            st.sampled_from(["a", "b"]),
            st.integers(0, 3),
        ),
        max_size=30,
    )
)
def test_every_way_to_add_up_comes_to_the_same(
    attempts: list[tuple[int, int, str, float | None, Usage | None, str, int]],
) -> None:
    records = log(*(RunStarted("send", "m") for _ in range(4)))
    for number, (run, step, purpose, cost, usage, model, day) in enumerate(attempts, 5):
        entry = used(run, step, number, purpose, cost, usage=usage, model=model)
        records.append(Record(number, NOON + day * DAY_MS, None, type_name(entry), entry))
    found, total = bill(records, NOON), Spent()
    for parts in (found.purposes, found.models, found.days):
        if parts:
            assert sum((line.spent for line in parts), total) == found.total.spent
    runs = [line for line in found.runs if line.depth == 1]
    steps = [line for line in found.runs if line.depth == 2]
    assert sum(line.spent.requests for line in steps) <= sum(line.spent.requests for line in runs)
    assert sum(line.spent.requests for line in runs) == sum(1 for run, *_ in attempts if run)


def test_before_anything_was_asked_it_says_so() -> None:
    assert lines(bill([], NOON)) == ["  Nothing was asked of a model in this session yet."]


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_no_line_is_wider_than_the_screen_and_the_cost_is_always_there(width: int) -> None:
    found = bill(log(RunStarted("send", "m"), used(1), used(1, 2, model="x" * 99, cost=None)), NOON)
    shown = lines(found, width)
    assert max(map(len, shown)) <= width
    assert "$0.25+" in shown[0]


def test_of_very_many_runs_the_newest_are_listed_and_the_rest_counted() -> None:
    entries = [entry for run in range(RUNS_LIMIT + 3) for entry in (RunStarted("send", "m"), used(2 * run + 1))]
    found = bill(log(*entries), NOON)
    assert (len(found.runs), found.earlier_runs) == (RUNS_LIMIT, 3)
    assert found.runs[0].label.startswith(f"run {RUNS_LIMIT + 3},")
    assert "  3 earlier runs in the sums above" in lines(found)


def test_what_all_sessions_took_today_stands_beside_the_session_where_there_are_others() -> None:
    other = {"this": [used(1)], "other": [used(1), used(1, 2)], "idle": []}
    total = all_of(other, "this")
    assert total == Line("today, 2 sessions", Spent(3, 600, 2_400, 150, 0.75), 0)
    assert all_of({"this": [used(1)], "idle": []}, "this") is None
    assert all_of({"other": [used(1)]}, "this") == Line("today, 1 session", ONE, 0)
    shown = ["".join(text for text, _ in line).split() for line in cost_lines(bill(log(used(1)), NOON), DARK, 80, total)]
    assert shown[:2] == [
        ["session", "200", "800", "$0.25", "50", "1"],
        ["today,", "2", "sessions", "600", "2.4k", "$0.75", "150", "3"],
    ]
    nothing = cost_lines(bill([], NOON), DARK, 80, total)
    assert ["".join(text for text, _ in line).strip()[:8] for line in nothing] == ["Nothing ", "", "today, 2"]


async def test_the_screen_opens_at_once_and_has_the_day_when_it_was_added_up() -> None:
    gate = asyncio.Event()

    async def today() -> Line | None:
        await gate.wait()
        return Line("today, 2 sessions", ONE, 0)

    async def failing() -> Line | None:
        raise StorageFailed("no")

    app = Pushed(CostScreen(DARK, bill(log(used(1)), NOON), today=today))
    async with app.run_test(size=(80, 12)) as pilot:
        await pilot.pause()
        assert "sessions" not in on_screen(app)
        gate.set()
        await pilot.pause()
        assert "today, 2 sessions" in on_screen(app)
    app = Pushed(CostScreen(DARK, bill(log(used(1)), NOON), today=failing))
    async with app.run_test(size=(80, 12)) as pilot:
        await pilot.press("escape")
        assert app.given == [None]


@pytest.mark.parametrize("turns", range(12))
async def test_a_day_that_is_added_up_while_the_screen_closes_is_of_no_matter(turns: int) -> None:
    gate = asyncio.Event()

    async def today() -> Line | None:
        await gate.wait()
        return Line("today, 2 sessions", ONE, 0)

    app = Pushed(CostScreen(DARK, bill(log(used(1)), NOON), today=today))
    async with app.run_test(size=(80, 12)) as pilot:
        await pilot.pause()
        app.screen.dismiss()
        for _ in range(turns):
            await asyncio.sleep(0)
        gate.set()
        await pilot.pause()
        assert app.given == [None]


async def test_the_screen_scrolls_and_escape_closes_it() -> None:
    entries = [entry for run in range(40) for entry in (RunStarted("send", "m"), used(2 * run + 1))]
    app = Pushed(CostScreen(DARK, bill(log(*entries), NOON)))
    async with app.run_test(size=(80, 12)) as pilot:
        await pilot.press("end", "escape")
        assert app.given == [None]


@pytest.mark.parametrize("at_ms", [10**18, -(10**18)])
def test_a_time_that_no_calendar_has_is_unknown(at_ms: int) -> None:
    assert moment(at_ms, 0) == moment(0, at_ms) == "unknown"
    assert minute(at_ms) == UNKNOWN
