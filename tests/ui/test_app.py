"""The whole screen on a real workspace with the demo model."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual import events
from textual.pilot import Pilot

from flowchat.config import Settings, open_folders
from flowchat.runtime.workspace import Workspace
from flowchat.transcript.entries import text_of
from flowchat.ui.app import FlowchatApp, Start
from flowchat.ui.approval import Approval
from flowchat.ui.banner import Banner
from flowchat.ui.composer import Composer
from flowchat.ui.conversation import Conversation
from flowchat.ui.edge import Edge
from flowchat.ui.help_screen import HelpScreen
from flowchat.ui.key_names import shown
from flowchat.ui.listing import Listing
from flowchat.ui.message_picker import MessagePicker
from flowchat.ui.meter import Meter
from flowchat.ui.panes import OFFERS_SHOWN
from flowchat.ui.queue_list import QueueList
from flowchat.ui.sessions_screen import SessionsScreen
from flowchat.ui.welcome import Welcome
from tests.model.serving import OLLAMA, serving

WAIT_SECONDS = 20


class Desk:
    """A workspace with a file in it, and the app on it."""

    def __init__(self, folder: Path) -> None:
        self.home, self.place = folder / "home", folder / "place"
        self.model = "demo"
        self.environ: dict[str, str] = {}
        self.place.mkdir()
        (self.place / "README.md").write_text("# Place\n")
        (self.place / "total.py").write_text("TOTAL = 1\n")

    def app(self, **start: Any) -> FlowchatApp:
        folders = open_folders({"FLOWCHAT_HOME": str(self.home)})
        self.workspace = Workspace(self.place, Settings(model=self.model), folders, self.environ)
        return FlowchatApp(self.workspace, Start(**start))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


async def until(pilot: Pilot[Any], reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while not reached():
            await pilot.pause()


async def opened(pilot: Pilot[Any], app: FlowchatApp) -> Any:
    """The session, once there is one."""
    await until(pilot, lambda: app.chat.session is not None)
    return app.chat.session


async def leave(app: FlowchatApp) -> None:
    await app.close_session()


def drawn(widget: Any) -> list[str]:
    return [widget.render_line(y).text.rstrip() for y in range(widget.size.height)]


def composer(app: FlowchatApp) -> Composer:
    return app.chat.query_one(Composer)


async def say(pilot: Pilot[Any], app: FlowchatApp, text: str) -> None:
    """Send a message and wait for the end of what follows from it."""
    session = await opened(pilot, app)
    before = len(session.user_messages())
    app.chat.query_one(Composer).load(text)
    await pilot.press("enter")
    await until(pilot, lambda: len(session.user_messages()) > before)
    await session.idle()
    await pilot.pause()


def said(session: Any) -> list[str]:
    return [text_of(record.entry.parts) for record in session.user_messages()]


async def test_a_key_pressed_before_the_session_is_open_is_written(desk: Desk) -> None:
    app = desk.app()
    async with app.run_test(size=(80, 24)) as pilot:
        app.chat.post_message(events.Key("Z", "Z"))
        await opened(pilot, app)
        await pilot.pause()
        assert composer(app).text == "Z"
        await leave(app)


async def test_a_message_is_sent_and_the_meter_says_so_and_leaving_names_the_session(desk: Desk) -> None:
    app = desk.app()
    async with app.run_test(size=(100, 24)) as pilot:
        await say(pilot, app, "read README.md")
        session = app.chat.session
        assert session is not None
        assert (said(session), composer(app).text) == (["read README.md"], "")
        assert session.transcript.branch()[-1].type == "run_ended"
        assert "demo" in drawn(app.chat.query_one(Meter))[0]
        await pilot.press("ctrl+d")
        await leave(app)
        assert app.resumable == session.sid


async def test_the_prompt_of_the_command_line_is_sent_at_once(desk: Desk) -> None:
    app = desk.app(prompt="list")
    async with app.run_test(size=(80, 24)) as pilot:
        session = await opened(pilot, app)
        await until(pilot, lambda: said(session) == ["list"])
        await session.idle()
        await leave(app)


async def test_what_waits_goes_back_into_the_composer_with_alt_up_and_enter(desk: Desk) -> None:
    app = desk.app()
    async with app.run_test(size=(80, 24)) as pilot:
        session = await opened(pilot, app)
        await pilot.press(*"long", "enter")
        await until(pilot, lambda: session.state.state == "running")
        await pilot.press(*"later", "enter")
        await until(pilot, lambda: bool(session.queue))
        assert drawn(app.chat.query_one(QueueList))[0].startswith("  1 queued   later")
        await pilot.press("alt+up", "enter")
        await until(pilot, lambda: not session.queue)
        assert composer(app).text == "later"
        await pilot.press("escape")
        await session.idle()
        assert session.transcript.branch()[-1].entry.outcome == "interrupted"
        await leave(app)


async def test_an_edit_is_asked_for_shown_whole_and_done_after_y(desk: Desk) -> None:
    app = desk.app()
    async with app.run_test(size=(80, 24)) as pilot:
        session = await opened(pilot, app)
        composer(app).load("write notes.txt: hello")
        await pilot.press("enter")
        bar = app.chat.query_one(Approval)
        await until(pilot, lambda: bar.asked is not None)
        await pilot.press("x")
        assert composer(app).text == "x"
        assert not (desk.place / "notes.txt").exists()
        assert app.chat.focused is bar
        bar.post_message(Approval.Decided(bar.asked.call, "once"))
        await session.idle()
        await pilot.pause()
        assert (desk.place / "notes.txt").read_text().strip() == "hello"
        assert (bar.asked, app.chat.focused) == (None, composer(app))
        await leave(app)


async def test_escape_twice_on_the_empty_composer_opens_the_messages_and_resending_makes_a_branch(desk: Desk) -> None:
    app = desk.app()
    async with app.run_test(size=(80, 24)) as pilot:
        await say(pilot, app, "list")
        await say(pilot, app, "read README.md")
        session = app.chat.session
        await pilot.press("escape", "escape")
        await until(pilot, lambda: isinstance(app.screen, MessagePicker))
        await pilot.press("enter")
        await until(pilot, lambda: composer(app).text == "read README.md")
        assert drawn(app.chat.query_one(Banner))[0].startswith("  Editing message 2")
        composer(app).load("read total.py")
        await pilot.press("enter")
        await until(pilot, lambda: said(session) == ["list", "read total.py"])
        await session.idle()
        await pilot.pause()
        assert drawn(app.chat.query_one(Banner)) == []
        await pilot.press("escape", "escape")
        await until(pilot, lambda: isinstance(app.screen, MessagePicker))
        await pilot.press("b")
        await until(pilot, lambda: said(session) == ["list", "read README.md"])
        await leave(app)


async def test_saving_an_edit_in_place_keeps_the_branch(desk: Desk) -> None:
    app = desk.app()
    async with app.run_test(size=(80, 24)) as pilot:
        await say(pilot, app, "list")
        session = app.chat.session
        assert session is not None
        await pilot.press(*"unsent")
        composer(app).load("/edit 1")
        await pilot.press("enter")
        await until(pilot, lambda: composer(app).text == "list")
        await pilot.press(*" src", "ctrl+s")
        await until(pilot, lambda: session.transcript.branch()[-1].type == "edited")
        await pilot.pause()
        assert (composer(app).text, said(session)) == ("", ["list"])
        await leave(app)


async def test_text_that_was_sent_is_not_unsent_in_the_next_new_session(desk: Desk) -> None:
    app = desk.app()
    async with app.run_test(size=(80, 24)) as pilot:
        first = await opened(pilot, app)
        app.chat.query_one(Composer).load("list")
        app.chat.keep_text()
        await say(pilot, app, "list")
        await pilot.press(*"/new", "enter")
        await until(pilot, lambda: app.chat.session is not first)
        await pilot.pause()
        assert (said(app.chat.session), composer(app).text) == ([], "")
        await leave(app)


async def test_unsent_text_is_there_again_in_the_next_program(desk: Desk) -> None:
    app = desk.app()
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, app)
        await pilot.press(*"half a thou")
        await leave(app)
    await desk.workspace.close()
    again = desk.app()
    async with again.run_test(size=(80, 24)) as pilot:
        await opened(pilot, again)
        await until(pilot, lambda: composer(again).text == "half a thou")
        await leave(again)


async def test_a_session_is_picked_up_with_continue_and_with_the_picker(desk: Desk) -> None:
    app = desk.app()
    async with app.run_test(size=(80, 24)) as pilot:
        await say(pilot, app, "list")
        sid = app.chat.session.sid
        await leave(app)
    for start in ({"newest": True}, {"resume": ""}):
        again = desk.app(**start)
        async with again.run_test(size=(80, 24)) as pilot:
            if "resume" in start:
                await until(pilot, lambda again=again: isinstance(again.screen, SessionsScreen))
                await pilot.pause()
                await pilot.press("enter")
            await until(pilot, lambda again=again: again.chat.session is not None and again.chat.session.sid == sid)
            assert said(again.chat.session) == ["list"]
            await leave(again)


async def test_a_session_another_program_holds_is_read_only_and_f_forks_it(desk: Desk) -> None:
    app, other = desk.app(), desk.app(newest=True)
    async with app.run_test(size=(80, 24)) as pilot:
        await say(pilot, app, "list")
        async with other.run_test(size=(80, 24)) as pilot_2:
            session = await opened(pilot_2, other)
            await pilot_2.pause()
            assert session.read_only is not None
            assert "f opens a copy" in " ".join(drawn(other.chat.query_one(Banner)))
            await pilot_2.press("f")
            await until(pilot_2, lambda: other.chat.session is not session)
            assert said(other.chat.session) == ["list"]
            assert drawn(other.chat.query_one(Banner)) == []
            await leave(other)
        await leave(app)


async def test_shift_tab_walks_the_modes_and_ctrl_c_twice_leaves(desk: Desk) -> None:
    app = desk.app()
    async with app.run_test(size=(80, 24)) as pilot:
        session = await opened(pilot, app)
        modes = []
        for _ in range(3):
            await pilot.press("shift+tab")
            await until(pilot, lambda: session.mode not in modes[-1:])
            modes.append(session.mode)
        assert modes == ["accept-edits", "plan", "default"]
        await pilot.press(*"text", "ctrl+c")
        assert composer(app).text == ""
        await pilot.press("ctrl+c")
        assert drawn(app.chat.query(Edge).first())[0].startswith("── Ctrl+C again leaves ──")
        await pilot.press("ctrl+c")
        await leave(app)
    assert app.return_value == 0


async def test_an_unknown_command_and_a_refusal_are_said_and_the_text_stays(desk: Desk) -> None:
    app = desk.app()
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, app)
        edge = app.chat.query(Edge).first()
        await pilot.press(*"/frok", "enter")
        assert drawn(edge)[0].startswith("── There is no command /frok; the nearest is /fork. ──")
        assert composer(app).text == "/frok"
        composer(app).load("/edit 7")
        await pilot.press("enter")
        await until(pilot, lambda: "there is no message 7" in drawn(edge)[0])
        assert composer(app).text == "/edit 7"
        composer(app).load("/retry")
        await pilot.press("enter")
        await until(pilot, lambda: "nothing to retry" in drawn(edge)[0])
        assert (composer(app).text, composer(app).offers) == ("/retry", ())
        await leave(app)


async def test_help_opens_with_f1_and_closes_with_escape(desk: Desk) -> None:
    app = desk.app()
    async with app.run_test(size=(40, 12)) as pilot:
        await opened(pilot, app)
        await pilot.press("f1", "f1")
        assert isinstance(app.screen, HelpScreen)
        await pilot.press("escape")
        assert app.screen is app.chat
        await leave(app)


async def test_offers_lie_over_the_conversation_above_the_composer_and_move_nothing(desk: Desk) -> None:
    app = desk.app()
    async with app.run_test(size=(80, 24)) as pilot:
        await say(pilot, app, "list")
        before = [app.chat.query_one(kind).region for kind in (Conversation, Composer, Meter)]
        edge = app.chat.query(Edge).first().region
        await pilot.press("/")
        await until(pilot, lambda: composer(app).offers != ())
        await pilot.pause()
        offers = app.chat.query_one(Listing)
        assert [app.chat.query_one(kind).region for kind in (Conversation, Composer, Meter)] == before
        assert (offers.region.bottom, offers.region.width, offers.region.height) == (edge.y, 80, OFFERS_SHOWN)
        await pilot.press("r", "e")
        await until(pilot, lambda: len(composer(app).offers) == 3)
        await pilot.pause()
        assert (offers.region.bottom, offers.region.height) == (edge.y, 3)
        await leave(app)


async def test_offers_fit_above_the_composer_when_the_screen_gets_lower(desk: Desk) -> None:
    app = desk.app()
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, app)
        await pilot.press("/", "down", "down")
        await until(pilot, lambda: composer(app).offers != ())
        offers = app.chat.query_one(Listing)
        for height in (9, 24):
            await pilot.resize_terminal(80, height)
            await pilot.pause()
            edge = app.chat.query(Edge).first().region
            assert (offers.region.y, offers.region.bottom) == (max(0, edge.y - OFFERS_SHOWN), edge.y)
            assert offers.chosen is not None
            assert offers.chosen.cells[0].startswith("/resume")
        await leave(app)


async def test_files_are_completed_from_the_workspace(desk: Desk) -> None:
    app = desk.app()
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, app)
        await pilot.press(*"see @tot")
        await until(pilot, lambda: composer(app).offers != ())
        await pilot.press("tab")
        await pilot.pause()
        assert composer(app).text == "see @total.py "
        await leave(app)


def test_a_letter_is_shown_as_it_is_typed_and_a_chord_with_capitals() -> None:
    assert [shown(key) for key in ("y", "ctrl+j", "right_square_bracket", "pageup", "escape")] == [
        "y",
        "Ctrl+J",
        "]",
        "PageUp",
        "Esc",
    ]


@pytest.mark.parametrize(("model", "found"), [("", ["  Found: Ollama (3 models, 2 with tools). F2 takes it"]), ("demo", [])])
async def test_a_model_server_of_this_machine_is_told_of_to_who_chose_none(desk: Desk, model: str, found: list[str]) -> None:
    async with serving(OLLAMA) as base:
        desk.model, desk.environ = model, {"OLLAMA_HOST": base}
        app = desk.app()
        async with app.run_test(size=(80, 24)) as pilot:
            await opened(pilot, app)
            await app.workers.wait_for_complete()
            rows = [app.chat.query_one(Welcome).render_line(y).text.rstrip() for y in range(12)]
            assert [row for row in rows if "Found" in row] == found
            await leave(app)
