"""What a person asks of a session while it is busy, twice, or after it went wrong: the real app, the model a script."""

from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from flowchat.agent.clock import SystemClock
from flowchat.config import Settings
from flowchat.model.model import AuthFailed, RateLimited, UnknownModel
from flowchat.model.scripted import ScriptedModel, Step, fails, says, waits
from flowchat.runtime.session import Session
from flowchat.runtime.workspace import Workspace
from flowchat.transcript.entries import ContextAdded, Noticed, RunEnded, text_of
from flowchat.ui.app import FlowchatApp
from flowchat.ui.banner import Banner
from flowchat.ui.composer import IMPATIENT_SECONDS, Composer
from flowchat.ui.edge import Edge
from flowchat.ui.meter import Meter
from flowchat.ui.own_command import OwnCommand
from flowchat.ui.queue_list import QueueList
from flowchat.ui.welcome import Welcome
from tests.desk import HandClock, project_folder
from tests.staging import FACTS, app_on, pane_rows, session_of, until, workspace_at


class Stage:
    """The app on a script; `steps` answer in order."""

    def __init__(self, folder: Path, *steps: Step, clock: Any = None, others: Any = None) -> None:
        self.model = ScriptedModel(*steps, others=others, facts=FACTS)
        self.workspace = workspace_at(folder, self.model, clock or SystemClock())
        self.app: FlowchatApp = app_on(self.workspace)

    async def begin(self, pilot: Pilot[Any]) -> Session:
        await until(self.app, pilot, lambda: self.app.chat.session is not None)
        return session_of(self.app)

    @property
    def composer(self) -> Composer:
        return self.app.chat.query_one(Composer)

    async def enter(self, pilot: Pilot[Any], text: str) -> None:
        """Write a text and press Enter, and not at once after another Enter."""
        self.composer.load(text)
        await pilot.press("enter")

    async def say(self, pilot: Pilot[Any], text: str) -> None:
        """Send it and wait for the run's end."""
        session = session_of(self.app)
        count = len(session.user_messages())
        await self.enter(pilot, text)
        await until(self.app, pilot, lambda: len(session.user_messages()) > count)
        await session.idle()
        await pilot.pause()

    def drawn(self, kind: type[Any]) -> str:
        widget = self.app.chat.query(kind).first()
        return " ".join(widget.render_line(y).text.strip() for y in range(widget.size.height))


def said(session: Session) -> list[str]:
    return [text_of(record.entry.parts) for record in session.user_messages()]


def outcomes(session: Session) -> list[str]:
    entries = [record.entry for record in session.transcript.branch()]
    return [entry.outcome for entry in entries if isinstance(entry, RunEnded)]


# --- editing an earlier message --------------------------------------------------------------------------------------
async def test_after_a_resend_the_composer_holds_what_was_unsent_before_the_edit_and_not_the_edit(tmp_path: Path) -> None:
    stage = Stage(tmp_path, says("one"), says("two"))
    async with stage.app.run_test(size=(80, 24)) as pilot:
        session = await stage.begin(pilot)
        await stage.say(pilot, "first")
        await stage.enter(pilot, "/edit 1")
        await until(stage.app, pilot, lambda: stage.composer.text == "first")
        await pilot.press(*" again")
        stage.app.chat.keep_text()
        await pilot.press("enter")
        await until(stage.app, pilot, lambda: said(session) == ["first again"])
        await session.idle()
        await pilot.pause()
        assert (stage.composer.text, session.composer_text) == ("", "")
        await stage.app.close_session()


async def test_the_queue_comes_back_behind_what_was_unsent_when_an_edit_is_resent(tmp_path: Path) -> None:
    held = waits("part")
    stage = Stage(tmp_path, says("one"), held, says("three"))
    async with stage.app.run_test(size=(80, 24)) as pilot:
        session = await stage.begin(pilot)
        await stage.say(pilot, "first")
        await stage.enter(pilot, "second")
        await held.reached.wait()
        await session.send("waiting")
        await pilot.press("escape")
        await session.idle()
        await pilot.press("escape", "escape")
        await until(stage.app, pilot, lambda: stage.app.screen is not stage.app.chat)
        await pilot.press("up", "enter")
        await until(stage.app, pilot, lambda: stage.composer.text == "first")
        await pilot.press("!", "enter")
        await until(stage.app, pilot, lambda: said(session) == ["first!"])
        await session.idle()
        await pilot.pause()
        assert (stage.composer.text, session.queue) == ("waiting", ())
        await stage.app.close_session()


async def test_a_resend_while_a_run_goes_on_wants_a_second_enter_and_an_impatient_one_is_none(tmp_path: Path) -> None:
    held = waits("part")
    stage = Stage(tmp_path, says("one"), held, says("three"))
    async with stage.app.run_test(size=(80, 24)) as pilot:
        session = await stage.begin(pilot)
        await stage.say(pilot, "first")
        await stage.enter(pilot, "second")
        await held.reached.wait()
        await stage.enter(pilot, "/edit 1")
        await until(stage.app, pilot, lambda: stage.composer.text == "first")
        await pilot.press("!", "enter")
        await until(stage.app, pilot, lambda: "send it again to stop the run and resend" in stage.drawn(Edge))
        assert (stage.composer.text, said(session), session.state.state) == ("first!", ["first", "second"], "running")
        await pilot.press("enter", "enter", "enter")
        await until(stage.app, pilot, lambda: said(session) == ["first!"])
        await session.idle()
        assert len(stage.model.asked()) == 3
        await stage.app.close_session()


async def test_a_refused_edit_stands_in_the_composer_again_and_is_still_an_edit(tmp_path: Path) -> None:
    held = waits("part")
    stage = Stage(tmp_path, says("one"), held)
    async with stage.app.run_test(size=(80, 24)) as pilot:
        await stage.begin(pilot)
        await stage.say(pilot, "first")
        await stage.enter(pilot, "second")
        await held.reached.wait()
        await stage.enter(pilot, "/edit 1")
        await until(stage.app, pilot, lambda: stage.composer.text == "first")
        await pilot.press("!", "ctrl+s")
        await until(stage.app, pilot, lambda: "under way" in stage.drawn(Edge))
        assert stage.composer.text == "first!"
        assert "Editing message 1" in stage.drawn(Banner)
        await stage.app.close_session()


# --- Enter twice -----------------------------------------------------------------------------------------------------
async def test_enter_twice_sends_once_and_releases_nothing(tmp_path: Path) -> None:
    held = waits("part")
    stage = Stage(tmp_path, held)
    async with stage.app.run_test(size=(80, 24)) as pilot:
        session = await stage.begin(pilot)
        stage.composer.load("first")
        await pilot.press("enter", "enter")
        await held.reached.wait()
        stage.composer.load("second")
        await pilot.press("enter", "enter")
        await until(stage.app, pilot, lambda: bool(session.queue))
        assert said(session) == ["first"]
        assert [(text_of(item.parts), item.deliver) for item in session.queue] == [("second", "queue")]
        await stage.app.close_session()


async def test_enter_on_the_empty_line_steers_with_the_queues_head_a_moment_later(tmp_path: Path) -> None:
    held = waits("part")
    stage = Stage(tmp_path, held)
    async with stage.app.run_test(size=(80, 24)) as pilot:
        session = await stage.begin(pilot)
        await stage.enter(pilot, "first")
        await held.reached.wait()
        await stage.enter(pilot, "second")
        await until(stage.app, pilot, lambda: bool(session.queue))
        await pilot.pause(IMPATIENT_SECONDS)
        await pilot.press("enter")
        await until(stage.app, pilot, lambda: session.queue[0].deliver == "steer")
        await stage.app.close_session()


async def test_a_command_that_is_under_way_is_not_begun_again(tmp_path: Path) -> None:
    held = waits("part")
    stage = Stage(tmp_path, fails(AuthFailed("the key was refused")), held)
    async with stage.app.run_test(size=(80, 24)) as pilot:
        session = await stage.begin(pilot)
        await stage.say(pilot, "first")
        stage.composer.load("/retry")
        await pilot.press("enter", "enter")
        await held.reached.wait()
        assert (len(stage.model.asked()), session.state.state) == (2, "running")
        await stage.app.close_session()


async def test_what_is_written_right_behind_enter_is_the_next_message(tmp_path: Path) -> None:
    held = waits("part")
    stage = Stage(tmp_path, held)
    async with stage.app.run_test(size=(80, 24)) as pilot:
        session = await stage.begin(pilot)
        await pilot.press(*"first", "enter", *"se")
        await held.reached.wait()
        assert (said(session), stage.composer.text) == (["first"], "se")
        await stage.app.close_session()


# --- leaving a session while it runs ---------------------------------------------------------------------------------
@pytest.mark.parametrize("command", ["/new", "/clear"])
async def test_new_interrupts_the_run_keeps_what_came_of_it_and_opens_an_empty_session(command: str, tmp_path: Path) -> None:
    held = waits("half an answer")
    stage = Stage(tmp_path, held)
    async with stage.app.run_test(size=(80, 24)) as pilot:
        old = await stage.begin(pilot)
        await stage.enter(pilot, "first")
        await held.reached.wait()
        await stage.enter(pilot, command)
        await until(stage.app, pilot, lambda: session_of(stage.app) is not old)
        await old.close()
        assert outcomes(old) == ["interrupted"]
        assert text_of(old.transcript.branch()[-2].entry.parts) == "half an answer"
        assert (said(session_of(stage.app)), stage.composer.text) == ([], "")
        await stage.app.close_session()


async def test_resuming_another_session_interrupts_the_run_and_naming_none_leaves_it_alone(tmp_path: Path) -> None:
    held = waits("half")
    stage = Stage(tmp_path, says("one"), held)
    async with stage.app.run_test(size=(80, 24)) as pilot:
        first = await stage.begin(pilot)
        await stage.say(pilot, "first")
        await stage.enter(pilot, "/new")
        await until(stage.app, pilot, lambda: session_of(stage.app) is not first)
        await first.close()  # before it is, no other is opened
        second = session_of(stage.app)
        await stage.enter(pilot, "second")
        await held.reached.wait()
        await stage.enter(pilot, "/resume nowhere")
        await until(stage.app, pilot, lambda: "nowhere" in stage.drawn(Edge))
        assert second.state.state == "running"
        await stage.enter(pilot, f"/resume {first.sid}")
        await until(stage.app, pilot, lambda: session_of(stage.app).sid == first.sid)
        await second.close()
        assert outcomes(second) == ["interrupted"]
        assert said(session_of(stage.app)) == ["first"]
        await stage.app.close_session()


async def test_a_fork_of_a_running_session_has_what_was_saved_and_the_run_ends_where_it_began(tmp_path: Path) -> None:
    held = waits("half")
    stage = Stage(tmp_path, says("one"), held)
    async with stage.app.run_test(size=(100, 24)) as pilot:
        old = await stage.begin(pilot)
        await stage.say(pilot, "first")
        await stage.enter(pilot, "second")
        await held.reached.wait()
        await stage.enter(pilot, "/fork")
        await until(stage.app, pilot, lambda: session_of(stage.app) is not old)
        await old.close()
        assert outcomes(old) == ["completed", "interrupted"]
        assert said(session_of(stage.app)) == ["first", "second"]
        assert "copy of what was saved; the session it came from was interrupted" in stage.drawn(Edge)
        await stage.app.close_session()


async def test_a_new_session_is_kept_no_more_than_the_first(tmp_path: Path) -> None:
    stage = Stage(tmp_path, says("one"), says("two"))
    stage.app = app_on(stage.workspace, saved=False)
    async with stage.app.run_test(size=(80, 24)) as pilot:
        first = await stage.begin(pilot)
        await stage.say(pilot, "first")
        await stage.enter(pilot, "/new")
        await until(stage.app, pilot, lambda: session_of(stage.app) is not first)
        await stage.say(pilot, "second")
        assert (stage.workspace.cards(everywhere=True), session_of(stage.app).model) == ([], "scripted")
        await stage.app.close_session()


async def test_a_session_that_is_gone_on_with_is_kept_however_the_screen_began(tmp_path: Path) -> None:
    stage = Stage(tmp_path, says("one"))
    kept = await stage.workspace.new()
    await kept.send("first")
    await kept.idle()
    await kept.close()
    stage.app = app_on(stage.workspace, saved=False)
    async with stage.app.run_test(size=(80, 24)) as pilot:
        before = await stage.begin(pilot)
        assert "not kept" in stage.drawn(Meter)
        await stage.enter(pilot, f"/resume {kept.sid}")
        await until(stage.app, pilot, lambda: session_of(stage.app).sid == kept.sid)
        assert "not kept" not in stage.drawn(Meter)
        await before.close()  # before it is, no other is opened
        before = session_of(stage.app)
        await stage.enter(pilot, "/new")
        await until(stage.app, pilot, lambda: session_of(stage.app).sid != kept.sid)
        assert "not kept" in stage.drawn(Meter)
        await before.close()
        await stage.enter(pilot, f"/resume {kept.sid}")
        await until(stage.app, pilot, lambda: session_of(stage.app).sid == kept.sid)
        await stage.app.close_session()
        assert stage.app.resumable == kept.sid


@pytest.mark.parametrize("text", ["/model one two", "/theme zz", "/theme a b", "/edit 1 2"])
async def test_a_command_that_is_refused_says_so_and_its_text_is_there_again(tmp_path: Path, text: str) -> None:
    stage = Stage(tmp_path)
    async with stage.app.run_test(size=(120, 24)) as pilot:
        session = await stage.begin(pilot)
        await stage.enter(pilot, text)
        await until(stage.app, pilot, lambda: stage.composer.text == text)
        word = text.split()[0]
        assert (f"{word} takes one word" if " " in text.removeprefix(f"{word} ") else "zz") in stage.drawn(Edge)
        assert session.model == "scripted"
        await stage.app.close_session()


async def test_what_is_not_kept_leaves_no_file_neither_sent_nor_unsent(tmp_path: Path) -> None:
    stage = Stage(tmp_path, says("one"))
    stage.app = app_on(stage.workspace, saved=False)
    async with stage.app.run_test(size=(80, 24)) as pilot:
        await stage.begin(pilot)
        stage.composer.load("half a thought")
        stage.app.chat.keep_text()
        await stage.workspace.writing.draft_kept()
        await stage.say(pilot, "first")
        stage.composer.load("another")
        await stage.app.close_session()
        await stage.workspace.close()
    assert [path for path in (tmp_path / "user").rglob("*") if path.is_file()] == []


async def test_where_nothing_can_be_kept_the_screen_says_so_from_the_beginning(tmp_path: Path) -> None:
    notices = ("/home cannot be written", "theme = 3 is not allowed", "colour is no setting")
    stage = Stage(tmp_path)
    stage.app = app_on(Workspace(project_folder(tmp_path), Settings(), None, environ={}, notices=notices, clock=HandClock()))
    async with stage.app.run_test(size=(80, 24)) as pilot:
        await stage.begin(pilot)
        await until(stage.app, pilot, lambda: "/home cannot be written (and 2 more)" in stage.drawn(Edge))
        assert "not kept" in stage.drawn(Meter)


async def test_where_there_is_nothing_to_go_on_with_a_new_session_says_so(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.app = app_on(stage.workspace, newest=True)
    async with stage.app.run_test(size=(100, 24)) as pilot:
        await stage.begin(pilot)
        await until(stage.app, pilot, lambda: "There is no session to continue in this folder yet" in stage.drawn(Edge))
        await stage.app.close_session()


# --- commands of the user --------------------------------------------------------------------------------------------
async def test_a_command_of_the_user_shows_live_and_escape_ends_it(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    async with stage.app.run_test(size=(80, 24)) as pilot:
        session = await stage.begin(pilot)
        await stage.enter(pilot, "!echo begun; sleep 600")
        await until(stage.app, pilot, lambda: "begun" in stage.drawn(OwnCommand))
        assert "running" in stage.drawn(OwnCommand)
        assert "Esc stop" in stage.drawn(Meter)
        await stage.enter(pilot, "!echo second")
        await until(stage.app, pilot, lambda: "still running" in stage.drawn(Edge))
        assert stage.composer.text == "!echo second"
        stage.composer.clear()
        await pilot.press("escape")
        await until(stage.app, pilot, lambda: not session.commands.running and not stage.app.chat.query_one(OwnCommand).display)
        assert "interrupted" in pane_rows(stage.app)[0][0]
        assert "F1 help" in stage.drawn(Meter)
        assert text_of(session.transcript.branch()[-1].entry.parts) == "begun\n[stopped]"
        await stage.app.close_session()


async def test_what_a_command_printed_beside_a_run_is_seen_until_the_conversation_has_it(tmp_path: Path) -> None:
    hold = waits("half an ans", says("whole answer"))
    stage = Stage(tmp_path, hold)
    async with stage.app.run_test(size=(80, 24)) as pilot:
        session = await stage.begin(pilot)
        await stage.enter(pilot, "go")
        await hold.reached.wait()
        await stage.enter(pilot, "!echo beside")
        await until(stage.app, pilot, lambda: session.commands.waiting and not stage.app.chat.query_one(Meter).reading.commands)
        assert ["beside" in stage.drawn(OwnCommand), "joins after this step" in stage.drawn(OwnCommand)] == [True, True]
        hold.gate.set()
        await session.idle()
        await until(stage.app, pilot, lambda: not stage.app.chat.query_one(OwnCommand).display)
        assert any("beside" in row for row, *_ in pane_rows(stage.app))
        await stage.app.close_session()


@pytest.mark.parametrize(("typed", "kind"), [("!echo hi", ContextAdded), ("!! echo hi", Noticed)])
async def test_two_marks_keep_it_from_the_model(typed: str, kind: type, tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    async with stage.app.run_test(size=(80, 24)) as pilot:
        session = await stage.begin(pilot)
        await stage.enter(pilot, typed)
        await until(stage.app, pilot, lambda: bool(session.transcript.head) and not session.commands.running)
        assert isinstance(session.transcript.branch()[-1].entry, kind)
        await until(stage.app, pilot, lambda: len(pane_rows(stage.app)) > 1)
        assert "hi" in pane_rows(stage.app)[1][0]
        await stage.app.close_session()


# --- taking back -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("error", [AuthFailed("the key was refused"), UnknownModel("no provider knows 'x'")])
async def test_a_message_that_got_no_answer_is_taken_back_with_one_key(error: Any, tmp_path: Path) -> None:
    stage = Stage(tmp_path, fails(error), says("two"))
    async with stage.app.run_test(size=(100, 24)) as pilot:
        session = await stage.begin(pilot)
        await stage.say(pilot, "first, with a slip")
        await until(stage.app, pilot, lambda: "Ctrl+U take it back" in stage.drawn(Meter))
        assert "Ctrl+U takes your message back" in stage.drawn(Edge)
        await pilot.press("ctrl+u")
        await until(stage.app, pilot, lambda: stage.composer.text == "first, with a slip")
        assert said(session) == []
        assert stage.app.chat.query_one(Welcome).display
        assert "Ctrl+U" not in stage.drawn(Meter)
        await pilot.press("enter")
        await until(stage.app, pilot, lambda: said(session) == ["first, with a slip"])
        await session.idle()
        await stage.app.close_session()


async def test_a_message_interrupted_before_a_word_is_taken_back_and_one_with_a_word_is_not(tmp_path: Path) -> None:
    silent, speaking = waits(), waits("a word")
    stage = Stage(tmp_path, silent, speaking)
    async with stage.app.run_test(size=(100, 24)) as pilot:
        session = await stage.begin(pilot)
        await stage.enter(pilot, "first")
        await silent.reached.wait()
        await pilot.press("escape")
        await session.idle()
        await until(stage.app, pilot, lambda: "Ctrl+U" in stage.drawn(Meter))
        await pilot.press("ctrl+u")
        await until(stage.app, pilot, lambda: stage.composer.text == "first")
        await pilot.press("enter")
        await speaking.reached.wait()
        await pilot.press("escape")
        await session.idle()
        await pilot.pause()
        assert "Ctrl+U" not in stage.drawn(Meter)
        await pilot.press("ctrl+u")
        await pilot.pause()
        assert (stage.composer.text, said(session)) == ("", ["first"])
        await stage.app.close_session()


# --- waiting long ----------------------------------------------------------------------------------------------------
async def test_a_long_wait_is_said_at_once_with_what_one_can_do(tmp_path: Path) -> None:
    clock = HandClock()
    limited = fails(RateLimited("rate limited", retry_after_seconds=300))
    stage = Stage(tmp_path, limited, clock=clock)
    async with stage.app.run_test(size=(80, 24)) as pilot:
        session = await stage.begin(pilot)
        await stage.enter(pilot, "first")
        await until(stage.app, pilot, lambda: session.state.phase == "retry_wait")
        await until(stage.app, pilot, lambda: "to wait 5 min" in stage.drawn(Banner))
        assert "Esc stops" in stage.drawn(Banner)
        assert "retry" in stage.drawn(Meter)
        await pilot.press("escape")
        await session.idle()
        await until(stage.app, pilot, lambda: stage.drawn(Banner) == "")
        await stage.app.close_session()


@pytest.mark.parametrize("text", ["", "/retry"])
async def test_a_wait_ends_with_enter_and_with_retry_and_the_meter_names_the_key(text: str, tmp_path: Path) -> None:
    clock = HandClock()
    stage = Stage(tmp_path, fails(RateLimited("rate limited", retry_after_seconds=300)), says("at last"), clock=clock)
    async with stage.app.run_test(size=(80, 24)) as pilot:
        session = await stage.begin(pilot)
        await stage.enter(pilot, "first")
        await until(stage.app, pilot, lambda: "to wait 5 min" in stage.drawn(Banner))
        assert "Enter tries now, Esc stops" in stage.drawn(Banner)
        assert "Enter try now  Esc stop" in stage.drawn(Meter)
        await pilot.pause(IMPATIENT_SECONDS)
        await stage.enter(pilot, text)
        await session.idle()
        assert (outcomes(session), clock.seconds(), len(stage.model.asked())) == (["completed"], 0.0, 2)
        await until(stage.app, pilot, lambda: stage.drawn(Banner) == "")
        assert (stage.composer.text, said(session)) == ("", ["first"])
        await stage.app.close_session()


async def test_enter_in_a_countdown_makes_the_attempt_and_leaves_the_queue_as_it_is(tmp_path: Path) -> None:
    held = waits("part")
    stage = Stage(tmp_path, fails(RateLimited("rate limited", retry_after_seconds=300)), held, clock=HandClock())
    async with stage.app.run_test(size=(80, 24)) as pilot:
        session = await stage.begin(pilot)
        await stage.enter(pilot, "first")
        await until(stage.app, pilot, lambda: session.state.phase == "retry_wait")
        await stage.enter(pilot, "second")
        await until(stage.app, pilot, lambda: bool(session.queue))
        await pilot.pause(IMPATIENT_SECONDS)
        await pilot.press("enter")
        await held.reached.wait()
        assert [item.deliver for item in session.queue] == ["queue"]
        await stage.app.close_session()


# --- the queue -------------------------------------------------------------------------------------------------------
async def test_edits_of_the_queue_are_about_the_queue_as_it_is_now(tmp_path: Path) -> None:
    held = waits("part")
    stage = Stage(tmp_path, held)
    async with stage.app.run_test(size=(80, 24)) as pilot:
        session = await stage.begin(pilot)
        await stage.enter(pilot, "first")
        await held.reached.wait()
        for name in "abc":
            await session.send(name, client_id=name)
        listed = session.queue
        await session.send("d", client_id="d")
        queue = stage.app.chat.query_one(QueueList)
        queue.post_message(QueueList.Dropped(listed[0]))
        queue.post_message(QueueList.Moved(listed[2], -1))
        await until(stage.app, pilot, lambda: [item.client_id for item in session.queue] == ["c", "b", "d"])
        queue.post_message(QueueList.Taken(listed[0]))
        await until(stage.app, pilot, lambda: "just been sent" in stage.drawn(Edge))
        assert stage.composer.text == ""
        queue.post_message(QueueList.Taken(listed[1]))
        await until(stage.app, pilot, lambda: stage.composer.text == "b")
        await until(stage.app, pilot, lambda: [item.client_id for item in session.queue] == ["c", "d"])
        await stage.app.close_session()


async def test_a_command_written_again_while_it_is_carried_out_is_said_to_be_and_kept(tmp_path: Path) -> None:
    held = waits("never")
    stage = Stage(tmp_path, *(says("word " * 2_000) for _ in range(3)), others={"compact": [held]})
    async with stage.app.run_test(size=(80, 24)) as pilot:
        session = await stage.begin(pilot)
        for number in range(3):
            await stage.say(pilot, f"message {number}")
        await stage.enter(pilot, "/compact")
        await held.reached.wait()
        await stage.enter(pilot, "/compact")
        await until(stage.app, pilot, lambda: "/compact is under way" in stage.drawn(Edge))
        assert (stage.composer.text, session.state.state, len(stage.model.asked("compact"))) == ("/compact", "compacting", 1)
        await stage.app.close_session()


@pytest.mark.parametrize("command", ["/new", "/retry"])
async def test_a_compaction_that_is_stopped_writes_nothing_into_the_composer(command: str, tmp_path: Path) -> None:
    held = waits("never")
    stage = Stage(tmp_path, *(says("word " * 2_000) for _ in range(3)), others={"compact": [held]})
    async with stage.app.run_test(size=(40, 12)) as pilot:
        await stage.begin(pilot)
        for number in range(3):
            await stage.say(pilot, f"message {number}")
        await stage.enter(pilot, "/compact the names")
        await held.reached.wait()
        await stage.enter(pilot, command)
        await until(stage.app, pilot, lambda: "compaction was stopped" in stage.drawn(Edge) or "retry" in stage.drawn(Edge))
        await pilot.pause()
        assert "/compact" not in stage.composer.text
        await stage.app.close_session()
