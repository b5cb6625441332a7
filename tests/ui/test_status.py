"""The pages of /status and /doctor."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from flowchat.agent.agent import Limits
from flowchat.model.scripted import says
from flowchat.runtime.permits import SessionPermits
from flowchat.runtime.rulebook import RuleBook
from flowchat.tools.rules import Ground, parse_rule
from flowchat.tools.tool import Reach
from flowchat.transcript.entries import Usage
from flowchat.ui.composer import Composer
from flowchat.ui.facts_screen import FactsScreen, Known, Section, Told, as_text, fact_lines
from flowchat.ui.keymap import DEFAULT
from flowchat.ui.palette import DARK
from flowchat.ui.status import folding_of, rules_of
from tests.staging import session_of, until
from tests.ui.test_app_model import Stage
from tests.ui.test_pickers import Pushed, settled, shown

PAGE = [Section("", (Known("title", "Fix\x1b[2J rounding"),)), Section("files", (Known("log", "/x/log", bad=True),))]


async def enter(stage: Stage, pilot: Pilot[Any], text: str) -> None:
    stage.app.chat.query_one(Composer).load(text)
    await pilot.press("enter")
    await until(stage.app, pilot, lambda: isinstance(stage.app.screen, FactsScreen))


async def test_status_tells_all_there_is_to_know_of_the_session(tmp_path: Path) -> None:
    stage = Stage(tmp_path, {"FLOWCHAT_MODEL": "openai/gpt-5", "OPENAI_API_KEY": "sk-secret"})
    stage.model.then(says("Done."))
    async with stage.app.run_test(size=(140, 40)) as pilot:
        await stage.begin(pilot)
        session = session_of(stage.app)
        (stage.workspace.path / ".git").mkdir()
        (stage.workspace.path / ".git" / "HEAD").write_text("ref: refs/heads/rounding\n")
        (stage.workspace.path / "AGENTS.md").write_text("Be brief.")
        await session.send("Fix rounding")
        await session.idle()
        await enter(stage, pilot, "/status")
        rows = {row.strip() for row in stage.rows.split("\n")}
        for words in (
            f"session         {session.sid}",
            f"folder          {stage.workspace.path}, branch rounding",
            "model           openai/gpt-5, key from OPENAI_API_KEY",
            "mode            default",
            "your messages   1 on this branch",
            "rules           no rules; /permissions lists them",
            "compacts        after a run over 13k, before a request over 16k tokens",
            f"instructions    {stage.workspace.path / 'AGENTS.md'}",
            f"session         {stage.folders.data / 'sessions' / session.sid}",
            f"settings        {stage.folders.settings_file}",
        ):
            assert words in rows
        assert "sk-secret" not in stage.rows
        await pilot.press("escape")
        assert not isinstance(stage.app.screen, FactsScreen)
        await stage.app.close_session()


async def test_status_tells_of_a_server_that_cuts_requests(tmp_path: Path) -> None:
    stage = Stage(tmp_path, {"FLOWCHAT_MODEL": "openai/gpt-5", "OPENAI_API_KEY": "sk-secret"})
    stage.model.then(says("Done.", usage=Usage(input=4_096, output=9)))
    async with stage.app.run_test(size=(140, 40)) as pilot:
        await stage.begin(pilot)
        session = session_of(stage.app)
        await session.send("Each line is rounded by itself, so three lines may lose a cent. " * 900)
        await session.idle()
        await enter(stage, pilot, "/status")
        rows = {row.strip() for row in stage.rows.split("\n")}
        words = "the server read 4.1k of the last request: its window is smaller than 20k tokens"
        assert f"cut off         {words}; raise it there (Ollama: num_ctx), or" in rows
        assert "set it in config.toml" in rows
        await stage.app.close_session()


@pytest.mark.parametrize(
    ("limits", "stopped", "told"),
    [
        ((70, 90), False, "after a run over 14k, before a request over 18k tokens"),
        ((5_000, 8_000), False, "after a run over 5k, before a request over 8k tokens"),
        ((100, 90), False, "before a request over 18k tokens"),
        ((70, 100), False, "after a run over 14k tokens"),
        ((100, 100), False, "only when you ask with /compact"),
        ((95, 6_000), False, "before a request over 6k tokens; the soft limit, 19k, is over that and does nothing"),
        ((70, 90), True, "no more by itself, after three failures; /compact tries again"),
    ],
)
def test_status_says_when_the_conversation_is_folded(limits: tuple[int, int], stopped: bool, told: str) -> None:
    known = folding_of(Limits(soft=limits[0], hard=limits[1]), 20_000, stopped)
    assert (known.label, known.value, known.bad) == ("compacts", told, stopped or limits == (95, 6_000))


def test_status_counts_the_rules_and_names_the_folders_that_count_as_inside(tmp_path: Path) -> None:
    (tmp_path / "work" / ".flowchat").mkdir(parents=True)
    (tmp_path / "work" / ".flowchat" / "permissions.toml").write_text('allow = ["shell"]\ndeny = ["shell(rm:*)", "x"]\n')
    book = RuleBook(
        Ground((tmp_path / "work").resolve()), None, [parse_rule("grep"), parse_rule("web_fetch(domain:docs.python.org)")]
    )
    permits = SessionPermits(lambda: "default", book, attended=True)
    permits.grant("shell", Reach("run", command="make"))
    section = rules_of(permits, (Path("/libs"), Path("/docs")))
    assert [(fact.label, fact.value[:75], fact.bad) for fact in section.facts] == [
        ("rules", "1 deny, 2 allow; 1 granted for this session; 1 waiting for trust; /permissions lists them"[:75], False),
        ("network", "in the full sandbox commands reach docs.python.org and nothing else", False),
        ("also inside", "/libs, /docs", False),
        ("rules", ".flowchat/permissions.toml:2: 'x': there is no tool 'x'; the tools are read_file"[:75], True),
    ]


async def test_status_of_a_session_that_has_not_begun_says_so(tmp_path: Path) -> None:
    stage = Stage(tmp_path, {})
    async with stage.app.run_test(size=(240, 40)) as pilot:
        await stage.begin(pilot)
        await enter(stage, pilot, "/status")
        assert "none yet; /rename TITLE gives one" in stage.rows
        assert f"{session_of(stage.app).sid}, from the first message on" in stage.rows
        await stage.app.close_session()


async def test_doctor_shows_what_the_command_tells(tmp_path: Path) -> None:
    stage = Stage(tmp_path, {"OPENAI_API_KEY": "sk-secret"})
    async with stage.app.run_test(size=(140, 60)) as pilot:
        await stage.begin(pilot)
        await enter(stage, pilot, "/doctor")
        await until(stage.app, pilot, lambda: "versions" in stage.rows)
        for words in ("versions", "terminal", "tools", "paths", "models", "openai/gpt-5", "OPENAI_API_KEY"):
            assert words in stage.rows
        assert "sk-secret" not in stage.rows
        await stage.app.close_session()


async def test_the_page_is_copied_whole_and_closed() -> None:
    copied: list[str] = []
    app = Pushed(FactsScreen(DARK, "Status", Told(PAGE, as_text(PAGE)), copied.append, DEFAULT))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("down", "y")
    assert (copied, app.given) == (["title: Fix␛ rounding\n\nfiles\nlog: /x/log"], [None])


async def test_a_page_is_open_before_it_is_known_what_it_tells_and_can_be_closed() -> None:
    known = asyncio.Event()

    async def find_out() -> Told:
        await known.wait()
        return Told(PAGE, as_text(PAGE))

    copied: list[str] = []
    for closes_early in (True, False):
        app = Pushed(FactsScreen(DARK, "Doctor", find_out, copied.append, DEFAULT))
        async with app.run_test(size=(80, 24)) as pilot:
            await pilot.press("y")
            assert "Looking at this installation" in shown(app, ".fills")
            if closes_early:
                await pilot.press("escape")
            else:
                known.set()
                await settled(pilot, app)
                assert "/x/log" in shown(app, ".fills")
                await pilot.press("y")
        assert app.given == [None]
    assert copied == [as_text(PAGE)]


def test_a_value_stands_beside_its_name_or_below_it_where_there_is_no_room() -> None:
    shown = ["".join(text for text, _ in row) for row in fact_lines(PAGE, DARK, 80)]
    assert shown == ["  title           Fix␛ rounding", "", "  files", "  log             /x/log"]
    shown = ["".join(text for text, _ in row) for row in fact_lines(PAGE, DARK, 30)]
    assert shown == ["  title", "    Fix␛ rounding", "", "  files", "  log             /x/log"]
