"""/compact and /handoff in the real app: the summary is shown first, can be undone and made again, and nothing typed is lost."""

import time
from pathlib import Path
from typing import Any

import pytest
from textual import events
from textual.pilot import Pilot

from flowchat.config import Compact, Settings
from flowchat.model.model import Refused
from flowchat.model.scripted import Step, fails, says, waits
from flowchat.runtime.session import Session
from flowchat.transcript.clean import HIDDEN_MARK, SEQUENCE_MARK
from flowchat.transcript.entries import Compacted, Usage
from flowchat.ui.composer import Composer
from flowchat.ui.edge import Edge
from flowchat.ui.fold_screen import FoldScreen
from flowchat.ui.meter import Meter
from tests.staging import app_on, pane_rows, session_of, until
from tests.ui.test_app_commands import Stage

SUMMARY = says("## Done\n- port 8431\n- the rest")


async def talked(stage: Stage, pilot: Pilot[Any]) -> Session:
    session = await stage.begin(pilot)
    for text in ("first", "second"):
        await stage.say(pilot, text)
    return session


def stage_at(folder: Path, *compacting: Step, settings: Settings | None = None, runs: int = 3) -> Stage:
    stage = Stage(folder, *(says(f"answer {number}") for number in range(runs)), others={"compact": compacting})
    if settings is not None:
        stage.workspace.settings = settings
    return stage


async def opened(stage: Stage, pilot: Pilot[Any], command: str = "/compact") -> FoldScreen:
    await stage.enter(pilot, command)
    await until(stage.app, pilot, lambda: isinstance(stage.app.screen, FoldScreen))
    await pilot.pause()
    assert isinstance(stage.app.screen, FoldScreen)
    return stage.app.screen


async def strike(stage: Stage, pilot: Pilot[Any], *keys: str) -> None:
    """Keys struck long after the page was painted."""
    for key in keys:
        event = events.Key(key, key if len(key) == 1 else None)
        event.time = time.monotonic() + 60
        stage.app.screen.post_message(event)
    await pilot.pause()


def rows(stage: Stage) -> list[str]:
    return [text for text, _ in pane_rows(stage.app) if text]


def shown(stage: Stage) -> str:
    return "\n".join("".join(part.text for part in strip) for strip in stage.app.screen._compositor.render_strips())


def folded(session: Session) -> list[Compacted]:
    return [record.entry for record in session.transcript.records() if isinstance(record.entry, Compacted)]


TALK = ["▎ first", "  answer 0", "▎ second", "  answer 1"]
LINE = "  · summary  what the model reads in their place  ▸"


async def test_nothing_is_folded_until_the_summary_was_agreed_to(tmp_path: Path) -> None:
    stage = stage_at(tmp_path, SUMMARY)
    async with stage.app.run_test(size=(80, 24)) as pilot:
        session = await talked(stage, pilot)
        await opened(stage, pilot, "/compact keep the port")
        assert "keep the port" in stage.model.asked("compact")[0].messages[0].pieces[0].text
        assert (session.state.state, folded(session)) == ("idle", [])
        await strike(stage, pilot, "enter")
        await until(stage.app, pilot, lambda: bool(folded(session)) and stage.app.screen is stage.app.chat)
        assert rows(stage)[0].startswith("  ⤒ compacted  4 messages, ")
        assert rows(stage)[1:] == [LINE]
        await stage.app.close_session()


async def test_what_is_left_leaves_all_as_it_was(tmp_path: Path) -> None:
    stage = stage_at(tmp_path, SUMMARY)
    async with stage.app.run_test(size=(80, 24)) as pilot:
        session = await talked(stage, pilot)
        await opened(stage, pilot)
        await strike(stage, pilot, "escape")
        await until(stage.app, pilot, lambda: "Nothing was folded" in stage.drawn(Edge))
        assert (rows(stage), folded(session)) == (TALK, [])
        await stage.app.close_session()


async def test_what_is_being_written_when_the_summary_comes_goes_on_in_the_composer(tmp_path: Path) -> None:
    held = waits("", SUMMARY)
    stage = stage_at(tmp_path, held)
    async with stage.app.run_test(size=(80, 24)) as pilot:
        session = await talked(stage, pilot)
        await stage.enter(pilot, "/compact")
        await held.reached.wait()
        assert "compacting" in stage.drawn(Meter)
        await pilot.press(*"and th")
        held.gate.set()
        await until(stage.app, pilot, lambda: isinstance(stage.app.screen, FoldScreen))
        for key in "en":  # struck a moment after what was typed before, however slow this machine is
            event = events.Key(key, key)
            event.time = stage.app.chat.query_one(Composer).last_typed + 0.1
            stage.app.screen.post_message(event)
        await pilot.pause()
        assert (stage.app.chat.query_one(Composer).text, folded(session)) == ("and then", [])
        await stage.app.close_session()


async def test_without_the_preview_it_folds_at_once(tmp_path: Path) -> None:
    stage = stage_at(tmp_path, SUMMARY, settings=Settings(compact=Compact(preview=False)))
    async with stage.app.run_test(size=(80, 24)) as pilot:
        session = await talked(stage, pilot)
        await stage.enter(pilot, "/compact")
        await until(stage.app, pilot, lambda: bool(folded(session)))
        await pilot.pause()
        assert rows(stage)[1:] == [LINE]
        await stage.app.close_session()


async def test_undo_shows_and_sends_everything_again_and_redo_folds_it_again(tmp_path: Path) -> None:
    stage = stage_at(tmp_path, SUMMARY, settings=Settings(compact=Compact(preview=False)))
    async with stage.app.run_test(size=(80, 24)) as pilot:
        session = await talked(stage, pilot)
        before = session.request_text()
        await stage.enter(pilot, "/compact")
        await until(stage.app, pilot, lambda: bool(folded(session)) and session.state.state == "idle")
        after = session.request_text()
        await stage.enter(pilot, "/compact undo")
        await until(stage.app, pilot, lambda: "read in full again" in stage.drawn(Edge))
        assert rows(stage) == [*TALK, "  ⤒ compaction undone"]
        assert session.request_text() == before
        await stage.enter(pilot, "/compact redo")
        await until(stage.app, pilot, lambda: "folded again" in stage.drawn(Edge))
        assert rows(stage)[1:] == [LINE, "  ⤒ compaction undone", "  ⤒ compaction restored"]
        assert session.request_text() == after
        await stage.app.close_session()


async def test_the_line_of_a_compaction_is_taken_back_by_its_key(tmp_path: Path) -> None:
    stage = stage_at(tmp_path, SUMMARY, settings=Settings(compact=Compact(preview=False)))
    async with stage.app.run_test(size=(100, 24)) as pilot:
        session = await talked(stage, pilot)
        await stage.enter(pilot, "/compact")
        await until(stage.app, pilot, lambda: bool(folded(session)) and session.state.state == "idle")
        await pilot.press("ctrl+up", "k", "u")
        await until(stage.app, pilot, lambda: "read in full again" in stage.drawn(Edge))
        assert rows(stage) == [*TALK, "  ⤒ compaction undone"]
        await stage.app.close_session()


async def test_in_a_copy_of_a_session_that_was_at_work_its_key_takes_it_back(tmp_path: Path) -> None:
    answer = waits()
    stage = stage_at(tmp_path, SUMMARY, settings=Settings(compact=Compact(preview=False)), runs=2)
    stage.model.then(answer)
    async with stage.app.run_test(size=(100, 24)) as pilot:
        session = await talked(stage, pilot)
        await session.compact()
        await session.send("third")
        await answer.reached.wait()
        await stage.enter(pilot, "/fork")
        await until(stage.app, pilot, lambda: session_of(stage.app) is not session)
        await pilot.press("ctrl+up", *["k"] * 9, "u")
        await until(stage.app, pilot, lambda: "read in full again" in stage.drawn(Edge))
        await stage.app.close_session()


@pytest.mark.parametrize("command", ["/compact undo", "/compact redo"])
async def test_with_nothing_to_undo_or_redo_it_is_said_and_the_command_is_kept(command: str, tmp_path: Path) -> None:
    stage = stage_at(tmp_path)
    async with stage.app.run_test(size=(80, 24)) as pilot:
        await talked(stage, pilot)
        await stage.enter(pilot, command)
        await until(stage.app, pilot, lambda: "there is no" in stage.drawn(Edge))
        assert stage.composer.text == command
        await stage.app.close_session()


async def test_a_summary_accepted_while_a_run_goes_on_is_refused_and_kept_until_it_has_ended(tmp_path: Path) -> None:
    answer = waits("I am at it.")
    stage = stage_at(tmp_path, SUMMARY, runs=2)
    stage.model.then(answer)
    async with stage.app.run_test(size=(80, 24)) as pilot:
        session = await talked(stage, pilot)
        await opened(stage, pilot)
        await session.send("said meanwhile")
        await answer.reached.wait()
        await pilot.pause()
        await strike(stage, pilot, "enter")
        assert folded(session) == []
        answer.gate.set()
        await session.idle()
        await strike(stage, pilot, "enter")
        await until(stage.app, pilot, lambda: bool(folded(session)) and stage.app.screen is stage.app.chat)
        await pilot.pause()
        assert rows(stage)[2:] == ["▎ said meanwhile", "  I am at it."]
        await stage.app.close_session()


async def test_what_is_sent_while_a_summary_is_drawn_up_waits_until_it_was_looked_at_and_the_page_says_so(tmp_path: Path) -> None:
    held = waits("", SUMMARY)
    stage = stage_at(tmp_path, held)
    async with stage.app.run_test(size=(80, 24)) as pilot:
        session = await talked(stage, pilot)
        await stage.enter(pilot, "/compact")
        await held.reached.wait()
        await stage.enter(pilot, "third")
        await until(stage.app, pilot, lambda: bool(session.queue))
        held.gate.set()
        await until(stage.app, pilot, lambda: isinstance(stage.app.screen, FoldScreen))
        await until(stage.app, pilot, lambda: "1 queued message waits until this page is closed" in shown(stage))
        await pilot.pause()
        assert (session.state.state, len(session.user_messages())) == ("idle", 2)
        await strike(stage, pilot, "enter")
        await until(stage.app, pilot, lambda: stage.app.screen is stage.app.chat and "  answer 2" in rows(stage))
        assert rows(stage)[1:] == [LINE, "▎ third", "  answer 2"]
        await stage.app.close_session()


async def test_compact_while_it_folds_by_itself_joins_that_and_shows_no_page(tmp_path: Path) -> None:
    held = waits("", SUMMARY)
    stage = stage_at(tmp_path, held, runs=1)
    facts = stage.model.facts
    stage.model.then(says("answer 1", usage=Usage(facts.window * 3 // 4, output=1)))
    async with stage.app.run_test(size=(100, 24)) as pilot:
        session = await stage.begin(pilot)
        await stage.say(pilot, "first")
        await stage.enter(pilot, "second")
        await held.reached.wait()
        await stage.enter(pilot, "/compact")
        await until(stage.app, pilot, lambda: "this one joins it" in stage.drawn(Edge))
        held.gate.set()
        await until(stage.app, pilot, lambda: "/compact undo takes it back" in stage.drawn(Edge))
        assert ([made.trigger for made in folded(session)], stage.app.screen is stage.app.chat) == (["soft"], True)
        await stage.app.close_session()


async def test_what_is_dropped_before_it_counts_is_in_no_checkpoint_and_no_request(tmp_path: Path) -> None:
    asked = "## Done\n- the rest\n\n## User directives\n- first\n- second"
    stage = stage_at(tmp_path, says("## Done\n- port 8431\n- host ::1"), says(asked), runs=6)
    async with stage.app.run_test(size=(80, 24)) as pilot:
        session = await talked(stage, pilot)
        await opened(stage, pilot)
        await strike(stage, pilot, "down", "p", "down", "p", "enter")
        await until(stage.app, pilot, lambda: len(folded(session)) == 1 and stage.app.screen is stage.app.chat)
        await stage.say(pilot, "third")
        await opened(stage, pilot)
        assert [" ".join(row.split()) for row in shown(stage).splitlines()[7:11]] == [
            "first directive", "second directive", "port 8431 pinned", "host ::1 pinned",
        ]  # fmt: skip
        await strike(stage, pilot, "end", "up", "p", "up", "p", "enter")
        await until(stage.app, pilot, lambda: len(folded(session)) == 2 and stage.app.screen is stage.app.chat)
        assert (folded(session)[1].directives, folded(session)[1].pinned) == (("first",), ("host ::1",))
        assert [word in session.request_text() for word in ("- first", "- second", "port 8431", "host ::1")] == [
            True, False, False, True,
        ]  # fmt: skip
        await stage.app.close_session()


async def test_a_message_that_waits_for_its_answer_is_read_before_it_is_folded(tmp_path: Path) -> None:
    stage = stage_at(tmp_path, SUMMARY, runs=2)
    stage.model.then(fails(Refused("no")))
    async with stage.app.run_test(size=(80, 24)) as pilot:
        session = await talked(stage, pilot)
        await session.send("old words")
        await session.idle()
        await session.edit(session.user_messages()[2].seq, "Which port?", "save")
        await opened(stage, pilot)
        assert "Which port?" in shown(stage)
        assert "old words" not in shown(stage)
        await stage.app.close_session()


async def test_a_handed_off_session_begins_with_the_summary_unsent_and_says_where_the_old_one_is(tmp_path: Path) -> None:
    stage = stage_at(tmp_path, SUMMARY)
    async with stage.app.run_test(size=(120, 24)) as pilot:
        old = await talked(stage, pilot)
        await old.rename("Ports")
        await stage.enter(pilot, "/handoff for the tests")
        await until(stage.app, pilot, lambda: session_of(stage.app) is not old and stage.composer.text != "")
        new = session_of(stage.app)
        assert stage.composer.text == f"A summary of session {old.sid}, to go on from:\n\n## Done\n- port 8431\n- the rest\n\n"
        await until(stage.app, pilot, lambda: f"/resume {old.sid}" in stage.drawn(Edge))
        assert "for the tests" in stage.model.asked("compact")[0].messages[0].pieces[0].text
        assert (new.title, new.transcript.head, folded(old)) == ("Ports, continued", 0, [])
        await pilot.press(*"Go on.", "enter")
        await until(stage.app, pilot, lambda: "answer 2" in "".join(rows(stage)))
        await stage.app.close_session()


async def test_a_session_that_is_not_kept_is_not_said_to_be_there_when_it_was_handed_off(tmp_path: Path) -> None:
    stage = stage_at(tmp_path, SUMMARY)
    stage.app = app_on(stage.workspace, saved=False)
    async with stage.app.run_test(size=(120, 24)) as pilot:
        old = await talked(stage, pilot)
        await stage.enter(pilot, "/handoff")
        await until(stage.app, pilot, lambda: session_of(stage.app) is not old and stage.composer.text != "")
        assert stage.composer.text.startswith("A summary of an earlier session, to go on from:")
        await until(stage.app, pilot, lambda: "The old one is gone, as it was not kept" in stage.drawn(Edge))
        await stage.app.close_session()


async def test_nothing_in_a_summary_that_is_handed_off_acts_on_a_terminal(tmp_path: Path) -> None:
    stage = stage_at(tmp_path, says("## Done\n- \x1b]0;evil\x07port\u202e 8431\u200b"))
    async with stage.app.run_test(size=(120, 24)) as pilot:
        old = await talked(stage, pilot)
        await stage.enter(pilot, "/handoff")
        await until(stage.app, pilot, lambda: session_of(stage.app) is not old and stage.composer.text != "")
        assert stage.composer.text.endswith(f"## Done\n- {SEQUENCE_MARK}port{HIDDEN_MARK} 8431{HIDDEN_MARK}\n\n")
        await stage.app.close_session()


async def test_a_handoff_that_comes_to_nothing_stays_where_it_is(tmp_path: Path) -> None:
    stage = stage_at(tmp_path)
    async with stage.app.run_test(size=(80, 24)) as pilot:
        session = await stage.begin(pilot)
        await stage.enter(pilot, "/handoff")
        await until(stage.app, pilot, lambda: "othing to" in stage.drawn(Edge))
        assert session_of(stage.app) is session
        await stage.app.close_session()
