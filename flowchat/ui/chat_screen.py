"""One session on the screen, and the only widget that holds a Session: its events go in to the panes, commands go out."""

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, assert_never, cast

from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.message import Message
from textual.screen import Screen

from flowchat.errors import Busy, CommandRefused, FlowchatError, NotRunning, StorageFailed
from flowchat.transcript.entries import Mode, Record, Seq, UserSaid, text_of
from flowchat.transcript.events import Heard, StateDelta
from flowchat.ui.commands import Act, Typed, UnknownCommand, read_command
from flowchat.ui.completion import file_offers
from flowchat.ui.composer import Composer
from flowchat.ui.conversation import Conversation
from flowchat.ui.edge import Level
from flowchat.ui.keys import CHAT, ESCAPE_TWICE_SECONDS, LEAVE_TWICE_SECONDS, Twice, acts_by_key
from flowchat.ui.palette import Palette
from flowchat.ui.panes import Order, Panes
from flowchat.ui.revision import Revision
from flowchat.ui.standing import standing_of
from flowchat.ui.unsent import Unsent

if TYPE_CHECKING:
    from flowchat.runtime.session import Session
    from flowchat.runtime.workspace import Workspace
    from flowchat.ui.message_picker import Said

_ACTS = acts_by_key(CHAT)
_MODES: tuple[Mode, ...] = ("default", "accept-edits", "plan")


Opening: TypeAlias = "Callable[[Workspace], Awaitable[Session | None]]"
"""Gives the first session, or None: the person picks one."""


class ChatScreen(Screen[None], inherit_bindings=False):
    """Conversation, queue, decision bar, composer and meter of one session."""

    AUTO_FOCUS = ""
    BINDINGS = (Binding("f", "fork", priority=True, show=False),)

    class ThemeAsked(Message):
        """`/theme NAME`; no name: the other one."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.theme = name

    def __init__(self, workspace: "Workspace", opening: "Opening", palette: Palette, prompt: str, saved: bool) -> None:
        """`prompt` is sent to the first session at once; not `saved`: nothing of it is kept on disk."""
        super().__init__()
        self._workspace, self._opening, self._palette = workspace, opening, palette
        self._prompt, self._saved = prompt, saved
        self._session: Session | None = None
        self._opened = asyncio.Event()
        self._unwatch: Callable[[], None] = lambda: None
        self._escaped, self._cancelled = Twice(ESCAPE_TWICE_SECONDS), Twice(LEAVE_TWICE_SECONDS)
        self._paths: Sequence[str] = ()
        self._panes = Panes(palette)
        self._revision = Revision(self._panes.composer)
        self._unsent = Unsent(self, self.keep_text)

    def compose(self) -> ComposeResult:
        yield self._panes

    def on_mount(self) -> None:
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        """What may cost something, once the screen has been painted. What was loaded till then is never collected again."""
        gc.freeze()
        gc.enable()
        self._work(self._open_first())

    # --- sessions ----------------------------------------------------------------------------------------------------
    @property
    def session(self) -> "Session | None":
        return self._session

    async def _open_first(self) -> None:
        try:
            session = await self._opening(self._workspace)
        except FlowchatError as error:
            self._panes.say(str(error), "error")
            session = await self._workspace.new()
        if session is None:
            session = await self._workspace.new()
            self._resume()
        await self.adopt(session)
        self._workspace.warm()
        if self._prompt:
            self._work(self._send(self._prompt), self._prompt)
        self._panes.show_last(await asyncio.to_thread(self._workspace.cards), time.time_ns() // 1_000_000)

    async def adopt(self, session: "Session") -> None:
        """Show another session; the one before is closed."""
        self._revision.leave()
        if (old := self._session) is not None:
            self._unsent.keep_now()
            self._unwatch()
            await old.close()
        self._session = session
        self._panes.replay(session.replay())
        self._unwatch = session.watch(self._hear)
        self._panes.composer.remember(_said(session))
        unsent = session.composer_text if session.transcript.head else self._workspace.kept_draft()
        if old is not None or self._panes.composer.is_blank:
            self._panes.composer.load(unsent)
        self._panes.meter.show(used=session.context, state=session.state)
        self._panes.ask(session.approval)
        self._show_standing()
        self._opened.set()

    async def close(self) -> None:
        """Keep what is unsent and close the session; for leaving."""
        self._unsent.keep_now()
        self._unwatch()
        if self._session is not None:
            await self._session.close()

    def say(self, text: str, level: Level = "info") -> None:
        self._panes.say(text, level)

    @property
    def _program(self) -> App[int]:
        return cast("App[int]", self.app)  # pyright: ignore[reportUnknownMemberType]  # textual leaves its result type open

    def use(self, palette: Palette) -> None:
        self._palette = palette
        self._panes.use(palette)

    def _hear(self, heard: Heard) -> None:
        event = heard.event
        if isinstance(event, Record) and event.type == "head_moved" and self._session is not None:
            self._panes.replay([record for record in self._session.replay() if record.seq < event.seq])
        else:
            self._panes.show(event)
        if isinstance(event, Record | StateDelta):
            self._show_standing()

    def _show_standing(self) -> None:
        session = self._session
        if session is None:
            return
        self._panes.show_standing(standing_of(session, self._workspace, self._saved, self._revision.number))

    # --- keys --------------------------------------------------------------------------------------------------------
    def on_key(self, event: events.Key) -> None:
        act = _ACTS.get(event.key)
        if act is None:
            self._panes.write(event)
            return
        event.stop()
        event.prevent_default()
        getattr(self, f"_do_{act}")(event)

    def on_paste(self, event: events.Paste) -> None:
        self._panes.composer.focus()
        self._panes.composer.take_paste(event)

    def _do_escape(self, event: events.Key) -> None:
        if self._panes.come_back() or self._panes.composer.dismiss():
            return
        if self._revision.number is not None:
            self._revision.leave()
            self._show_standing()
        elif self._panes.meter.reading.busy:
            self._order(lambda session: session.interrupt())
        elif self._panes.composer.is_blank and self._escaped.again(event.time):
            self._pick_message()

    def _do_cancel(self, event: events.Key) -> None:
        if selected := self.get_selected_text():
            self._program.copy_to_clipboard(selected)
            self.clear_selection()
        elif not self._panes.composer.is_blank:
            self._panes.composer.clear()
        elif self._panes.meter.reading.busy:
            self._order(lambda session: session.interrupt())
        elif self._cancelled.again(event.time):
            self._program.exit(0)
        else:
            self._panes.say("Ctrl+C again leaves")

    def _do_leave(self, event: events.Key) -> None:
        if self._panes.composer.is_blank:
            self._program.exit(0)

    def _do_suspend(self, event: events.Key) -> None:
        self._unsent.keep_now()
        self._program.action_suspend_process()

    def _do_cycle_mode(self, event: events.Key) -> None:
        if self._session is not None:
            mode = self._session.mode
            index = _MODES.index(mode) + 1 if mode in _MODES else 0
            self._order(lambda session: session.set_mode(_MODES[index % len(_MODES)]))

    def _do_redraw(self, event: events.Key) -> None:
        self._program.refresh(repaint=True, layout=True)

    def _do_save(self, event: events.Key) -> None:
        if self._revision.number is not None:
            self._work(self._revise("save"))

    def _do_help(self, event: events.Key | None = None) -> None:
        from flowchat.ui import picking

        picking.show_help(self._program, self._palette)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The fork key is a letter like any other, unless nothing can be said here and nothing is being written."""
        if action == "fork":
            return self._session is not None and self._session.read_only is not None and self._panes.composer.is_blank
        return True

    def action_fork(self) -> None:
        self._work(self._fork())

    # --- what is written ---------------------------------------------------------------------------------------------
    def on_composer_changed(self) -> None:
        self._unsent.changed()

    def on_composer_files_wanted(self, message: Composer.FilesWanted) -> None:
        self._work(self._offer_files(message.query))

    async def _offer_files(self, query: str) -> None:
        if not query or not self._paths:
            self._paths = await asyncio.to_thread(self._workspace.files)
        self._panes.composer.offer(query, await asyncio.to_thread(file_offers, query, self._paths))

    def keep_text(self) -> None:
        session, text = self._session, self._panes.composer.text
        try:
            if session is None or not session.transcript.head:
                self._workspace.keep_draft(text)
            else:
                session.keep_composer(text)
        except StorageFailed as error:
            self.say(f"What is written here is not kept: {error}", "error")

    def on_panes_submitted(self, message: Panes.Submitted) -> None:
        text = message.text
        if self._revision.number is not None:
            self._work(self._revise("resend"))
            return
        if not text.strip():
            if self._panes.queue.items:
                self._order(lambda session: session.release())
            return
        match read_command(text):
            case UnknownCommand(sentence):
                self._panes.say(sentence, "warning")
            case Typed() as typed:
                self._panes.composer.clear()
                self._work(self._carry_out(typed), text)
            case None:
                self._panes.composer.clear()
                self._work(self._send(text), text)

    # --- commands out ------------------------------------------------------------------------------------------------
    def _work(self, work: Coroutine[Any, Any, None], text: str = "") -> None:
        """Do something that waits, beside the screen. A refusal is said, and `text` goes back where it was written."""
        self.run_worker(self._said_if_refused(work, text), exit_on_error=True)

    async def _said_if_refused(self, work: Coroutine[Any, Any, None], text: str) -> None:
        try:
            await work
        except NotRunning:
            pass
        except FlowchatError as error:
            self._panes.say(str(error), "warning" if isinstance(error, CommandRefused) else "error")
            if text and self._panes.composer.is_blank:
                self._panes.composer.load(text)

    async def _current(self) -> "Session":
        """The session, as soon as there is one."""
        await self._opened.wait()
        assert self._session is not None
        return self._session

    async def _send(self, text: str) -> None:
        session = await self._current()
        await session.send(text)
        self._unsent.keep_now()

    def _order(self, ask: Order) -> None:
        """Ask something of the session, as soon as there is one."""

        async def order() -> None:
            await ask(await self._current())
            self._show_standing()

        self._work(order())

    def on_panes_ordered(self, message: Panes.Ordered) -> None:
        if message.text_first:
            self._unsent.keep_now()
        self._order(message.ask)

    def on_conversation_copied(self, message: Conversation.Copied) -> None:
        self._program.copy_to_clipboard(message.text)
        self.say("Copied")

    async def _carry_out(self, typed: Typed) -> None:
        session, argument = await self._current(), typed.argument
        match typed.command.act:
            case Act.HELP:
                self._do_help()
            case Act.NEW:
                self._must_be_idle(session)
                await self.adopt(await self._workspace.new())
            case Act.RESUME:
                self._must_be_idle(session)
                self._resume(argument)
            case Act.FORK:
                await self._fork()
            case Act.EDIT:
                self._pick_message(argument)
            case Act.CONTEXT:
                from flowchat.ui import picking

                picking.show_context(self._program, self._palette, session, argument == "raw")
            case Act.QUEUE:
                self._panes.edit_queue()
            case Act.THEME:
                self.post_message(self.ThemeAsked(argument))
            case Act.QUIT:
                self._program.exit(0)
            case Act.RENAME:
                await session.rename(argument)
            case Act.MODEL if not argument:
                self._panes.say(f"The model is {session.model or 'not set'}; /model NAME changes it")
            case Act.MODEL:
                await session.set_model(argument)
                self._panes.say(f"{argument} answers from the next run on")
            case Act.COMPACT:
                await session.compact(argument)
            case Act.RETRY:
                await session.retry()
            case _:
                assert_never(typed.command.act)
        self._show_standing()

    def _must_be_idle(self, session: "Session") -> None:
        if session.state.state != "idle":
            raise Busy("a run is under way; Esc stops it, then the session can be left")

    def _resume(self, wanted: str = "") -> None:
        if wanted:
            self._work(self._open(wanted))
        else:
            from flowchat.ui import picking

            picking.pick_session(self._program, self._palette, self._workspace, lambda sid: self._work(self._open(sid)))

    async def _open(self, wanted: str) -> None:
        if self._session is None or wanted != self._session.sid:
            await self.adopt(await self._workspace.open(wanted))

    async def _fork(self) -> None:
        session = await self._current()
        self._must_be_idle(session)
        await self.adopt(await self._workspace.fork(session))
        self._panes.say("This is a copy; the session it came from stays as it is")

    # --- editing an earlier message ----------------------------------------------------------------------------------
    def _pick_message(self, number: str = "") -> None:
        if self._session is not None:
            from flowchat.ui import picking

            walk: Callable[[Seq], None] = lambda to: self._order(lambda session: session.walk_to(to))
            picking.pick_message(self._program, self._palette, self._session, number, self._begin_revision, walk)

    def _begin_revision(self, said: "Said") -> None:
        self._revision.begin(said)
        self._show_standing()

    async def _revise(self, action: Literal["resend", "save"]) -> None:
        session = await self._current()
        await self._revision.finish(session, action)
        if action == "save":
            self._panes.replay(session.replay())
        self._show_standing()


def _said(session: "Session") -> list[str]:
    """What the user said on the branch, oldest first."""
    return [text_of(record.entry.parts) for record in session.user_messages() if isinstance(record.entry, UserSaid)]
