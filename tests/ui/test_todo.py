"""The todo list on the screen: a line above the composer while something is open, the list behind a key, a panel a call."""

import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from textual.geometry import Size
from textual.pilot import Pilot

from flowchat.model.scripted import Says, ScriptedModel, says
from flowchat.runtime.session import Session
from flowchat.transcript.entries import Compacted, ToolAnswered
from flowchat.transcript.todo import in_one_line
from flowchat.ui.approval import Approval
from flowchat.ui.blocks import Look
from flowchat.ui.checkpoints import told_instead
from flowchat.ui.composer import Composer
from flowchat.ui.edge import Edge
from flowchat.ui.keymap import DEFAULT, Change, changed
from flowchat.ui.meter import Meter
from flowchat.ui.palette import DARK
from flowchat.ui.todo_line import LIST_ROWS, TodoLine, drawn
from flowchat.ui.tool_panel import Panel
from tests.growing import todo_list
from tests.staging import app_on, session_of, until, workspace_at
from tests.ui.test_app_commands import Stage

PLAN = ("done read it", "now change it", "next test it")
SIZE = (80, 24)


def plans(*items: str) -> Says:
    given = [{"text": item.text, "status": item.status} for item in todo_list(*items)]
    return says("", calls=[("todo", {"items": given})])


def shown(stage: Stage) -> list[str]:
    """The rows above the composer, the key left out; none while it is not to be seen."""
    found = stage.app.chat.query_one(TodoLine)
    if not found.display:
        return []
    rows = [found.render_line(y).text.rstrip() for y in range(found.size.height)]
    return [row.removesuffix("Ctrl+T unfolds").removesuffix("Ctrl+T folds").rstrip() for row in rows]


async def shows(stage: Stage, pilot: Pilot[Any], *rows: str) -> None:
    """Until these are the rows above the composer."""
    with suppress(AssertionError):
        await until(stage.app, pilot, lambda: shown(stage) == list(rows))
    assert shown(stage) == list(rows)


async def began(stage: Stage, pilot: Pilot[Any], *texts: str) -> Session:
    session = await stage.begin(pilot)
    for text in texts:
        await stage.say(pilot, text)
    return session


async def test_a_line_tells_what_is_being_done_until_all_is(tmp_path: Path) -> None:
    script = (plans(*PLAN), says("So."), plans("done read it", "done change it", "next test it"), says("On."), plans("done all"))
    stage = Stage(tmp_path, *script, says("Done."))
    async with stage.app.run_test(size=SIZE) as pilot:
        await began(stage, pilot)
        await shows(stage, pilot)
        await stage.say(pilot, "Do it.")
        await shows(stage, pilot, "▸ 1 of 3 · change it")
        await stage.say(pilot, "Go on.")
        await shows(stage, pilot, "▸ 2 of 3 · test it")
        await stage.say(pilot, "And the rest.")
        await shows(stage, pilot)
        await stage.app.close_session()


async def test_a_key_unfolds_the_list_and_folds_it_while_one_writes(tmp_path: Path) -> None:
    stage = Stage(tmp_path, plans(*PLAN), says("So."))
    async with stage.app.run_test(size=SIZE) as pilot:
        await began(stage, pilot, "Do it.")
        await pilot.press(*"and", "ctrl+t")
        await pilot.pause()
        await shows(stage, pilot, "▾ 1 of 3 done", "    ✓ read it", "    ◐ change it", "    · test it")
        await pilot.press("ctrl+t", "!")
        await pilot.pause()
        await shows(stage, pilot, "▸ 1 of 3 · change it")
        assert stage.composer.text == "and!"
        await pilot.click(TodoLine)
        await until(stage.app, pilot, lambda: len(shown(stage)) == 4)
        await stage.app.close_session()


async def test_the_command_does_what_the_key_does_and_says_where_there_is_nothing(tmp_path: Path) -> None:
    stage = Stage(tmp_path, plans(*PLAN), says("So."))
    async with stage.app.run_test(size=SIZE) as pilot:
        await began(stage, pilot)
        await stage.enter(pilot, "/todo")
        await until(stage.app, pilot, lambda: "Nothing is open on a todo list" in stage.drawn(Edge))
        await stage.say(pilot, "Do it.")
        await stage.enter(pilot, "/todo")
        await until(stage.app, pilot, lambda: len(shown(stage)) == 4)
        await stage.app.close_session()


async def test_a_new_session_has_none_and_the_resumed_one_its_own_folded(tmp_path: Path) -> None:
    stage = Stage(tmp_path, plans(*PLAN), says("So."))
    async with stage.app.run_test(size=SIZE) as pilot:
        session = await began(stage, pilot, "Do it.")
        await pilot.press("ctrl+t")
        await stage.enter(pilot, "/new")
        await until(stage.app, pilot, lambda: session_of(stage.app) is not session)
        await shows(stage, pilot)
        await session.close()  # before it is, no other is opened
        await stage.enter(pilot, f"/resume {session.sid}")
        await until(stage.app, pilot, lambda: session_of(stage.app).sid == session.sid)
        await pilot.pause()
        await shows(stage, pilot, "▸ 1 of 3 · change it")
        await stage.app.close_session()
    workspace = workspace_at(tmp_path, ScriptedModel())
    app = app_on(workspace, resume=session.sid)
    async with app.run_test(size=SIZE) as pilot:
        await until(app, pilot, lambda: app.chat.query_one(TodoLine).display)
        await app.close_session()


async def test_an_edit_before_the_list_takes_it_away_and_one_behind_the_first_shows_that(tmp_path: Path) -> None:
    stage = Stage(tmp_path, plans(*PLAN), says("So."), plans("now another"), says("So."), says("Anew."), says("From the start."))
    async with stage.app.run_test(size=SIZE) as pilot:
        session = await began(stage, pilot, "Do it.", "Otherwise.")
        await shows(stage, pilot, "▸ 0 of 1 · another")
        for number, there in ((1, ["▸ 1 of 3 · change it"]), (0, [])):
            await session.edit(session.user_messages()[number].seq, "Not so.", "resend")
            await session.idle()
            await pilot.pause()
            await shows(stage, pilot, *there)
        await stage.app.close_session()


async def test_of_a_long_list_what_is_being_done_shows_and_the_others_are_counted(tmp_path: Path) -> None:
    stage = Stage(
        tmp_path, plans(*(f"{'done' if n < 6 else 'now' if n == 6 else 'next'} step {n}" for n in range(20))), says("So.")
    )
    async with stage.app.run_test(size=(80, 40)) as pilot:
        await began(stage, pilot, "Do it.")
        await pilot.press("ctrl+t")
        await until(stage.app, pilot, lambda: len(shown(stage)) > 1)
        rows = shown(stage)
        assert (len(rows), rows[1:3], rows[-1]) == (1 + LIST_ROWS, ["    ✓ step 5", "    ◐ step 6"], "      5 above, 8 below")
        await stage.app.close_session()


async def test_it_gives_way_to_what_is_written(tmp_path: Path) -> None:
    stage = Stage(tmp_path, plans(*PLAN), says("So."))
    async with stage.app.run_test(size=(40, 12)) as pilot:
        await began(stage, pilot, "Do it.")
        await pilot.press("ctrl+t")
        for text, heights in (("", (1, 4)), ("a\nb", (2, 4)), ("a\nb\nc\nd", (4, 3))):
            stage.composer.load(text)
            await until(stage.app, pilot, lambda heights=heights: (stage.composer.size.height, len(shown(stage))) == heights)
        assert stage.composer.region.bottom == 10
        await stage.app.close_session()


async def test_it_gives_way_to_a_question(tmp_path: Path) -> None:
    asks = says("", calls=[("write_file", {"path": "c.txt", "content": "line\n" * 30})])
    stage = Stage(tmp_path, plans(*PLAN), asks, says("So."))
    async with stage.app.run_test(size=(40, 12)) as pilot:
        session = await began(stage, pilot)
        await stage.enter(pilot, "Do it.")
        await until(stage.app, pilot, lambda: session.approval is not None)
        await pilot.press("ctrl+t")
        bars = lambda: [stage.app.chat.query_one(kind).region for kind in (Approval, Composer, Meter)]
        await until(stage.app, pilot, lambda: [bar.height for bar in bars()] == [7, 1, 1])
        await shows(stage, pilot)
        assert bars()[-1].bottom == 12
        await stage.app.close_session()


# --- drawn alone -----------------------------------------------------------------------------------------------------
def test_the_key_is_the_one_that_is_bound() -> None:
    keymap = changed([Change("chat", "f9", "todo", 1), Change("chat", "ctrl+t", None, 2)])
    [row] = drawn(todo_list(*PLAN), Size(80, 1), False, DARK, keymap)
    assert row.text.rstrip().endswith("F9 unfolds")


@pytest.mark.parametrize("at", range(7))
@pytest.mark.parametrize("height", range(1, 10))
def test_in_any_room_the_current_item_shows_and_the_others_are_counted(at: int, height: int) -> None:
    items = todo_list(*(f"{'done' if n < at else 'now' if n == at else 'next'} step {n}" for n in range(7)))
    rows = [strip.text.rstrip() for strip in drawn(items, Size(60, height), True, DARK, DEFAULT)]
    assert len(rows) <= height
    assert any(f"step {at}" in row for row in rows)
    told = re.findall(r"(\d) (?:above|below)", rows[-1])
    assert height < 3 or sum("step" in row for row in rows) + sum(map(int, told)) == 7


def answered(*items: str) -> Panel:
    found = todo_list(*items)
    panel = Panel("todo", '{"items":[{"text":"as the model wrote it"}]}', "running")
    panel.answer(ToolAnswered("1.0", "ok", in_one_line(found), in_one_line(found), todo=found))
    return panel


def rows(panel: Panel, unfolded: bool = False) -> list[str]:
    return [strip.text.rstrip() for strip in panel.draw(Look(60, DARK, unfolded=unfolded))]


def test_a_calls_panel_is_its_line_and_unfolded_the_list_with_marks() -> None:
    assert rows(answered(*PLAN)) == ["  ✓ todo   1 of 3 done · now: change it"]
    assert rows(answered(*PLAN), unfolded=True)[1:] == ["    │ ✓ read it", "    │ ◐ change it", "    │ · test it"]


def test_what_is_copied_and_searched_is_the_list() -> None:
    assert answered(*PLAN).source == "- [x] read it\n- [ ] (now) change it\n- [ ] test it"
    assert "test it" in answered(*PLAN).searched


def test_a_list_that_was_not_taken_says_why() -> None:
    panel = Panel("todo", '{"items":[{"text":"a"},{"text":"b"}]}', "running")
    panel.answer(ToolAnswered("1.0", "error", "todo: item 1 has no text", "todo: item 1 has no text"))
    assert [" ".join(row.split()) for row in rows(panel)] == ["✗ todo 2 items failed", "│ todo: item 1 has no text"]


def test_nothing_an_item_holds_reaches_the_terminal_as_more_than_text() -> None:
    items = ("now \x1b[31mred\x07\u202e", "next \x1b]52;c;aGk=\x07")
    line = [strip.text for unfolded in (True, False) for strip in drawn(todo_list(*items), Size(60, 9), unfolded, DARK, DEFAULT)]
    texts = [*line, *rows(answered(*items), unfolded=True), answered(*items).source, answered(*items).searched]
    assert not any(sign in text for text in texts for sign in "\x1b\x07\u202e")


def test_a_checkpoints_summary_shows_the_list_it_carries() -> None:
    made = Compacted(9, "SUM", 100, 10, "user", "summary", directives=("use tabs",))
    assert (
        told_instead(made, todo_list(*PLAN)) == "SUM\n\n## User directives\n- use tabs\n\n## Todo\n- change it (now)\n- test it"
    )
