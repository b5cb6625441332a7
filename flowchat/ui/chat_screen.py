"""One session on the screen, and the only widget that asks things of it: its events go in to the panes, commands go out."""

import asyncio
import gc
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal, assert_never, cast

from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.message import Message
from textual.screen import Screen

from flowchat.transcript.entries import Record, Seq, UserSaid, text_of
from flowchat.transcript.events import Heard, StateDelta
from flowchat.ui import markdown, orders
from flowchat.ui.commands import Act, Typed, UnknownCommand, read_command
from flowchat.ui.completion import file_offers
from flowchat.ui.composer import Composer
from flowchat.ui.conversation import Conversation
from flowchat.ui.edge import Level
from flowchat.ui.errands import Errands
from flowchat.ui.keys import CHAT, ESCAPE_TWICE_SECONDS, LEAVE_TWICE_SECONDS, Twice, acts_by_key
from flowchat.ui.opening import Start
from flowchat.ui.palette import Palette
from flowchat.ui.panes import Order, Panes
from flowchat.ui.revision import Revision
from flowchat.ui.standing import standing_of
from flowchat.ui.unsent import Unsent
from flowchat.ui.visit import Visit

if TYPE_CHECKING:
    from flowchat.runtime.session import Session
    from flowchat.runtime.workspace import Workspace
    from flowchat.ui.message_picker import Said

_ACTS = acts_by_key(CHAT)
_ONCE = frozenset({Act.NEW, Act.FORK, Act.RESUME, Act.COMPACT, Act.RETRY})
"""Commands that are not begun again while they are carried out."""


class ChatScreen(Screen[None], inherit_bindings=False):
    """Conversation, queue, decision bar, composer and meter of one session."""

    AUTO_FOCUS = ""
    BINDINGS = (Binding("f", "fork", priority=True, show=False),)

    class ThemeAsked(Message):
        """`/theme NAME`; no name: the other one."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.theme = name

    def __init__(self, workspace: "Workspace", start: Start, palette: Palette) -> None:
        super().__init__()
        self._workspace, self._start, self._palette = workspace, start, palette
        self._escaped, self._cancelled = Twice(ESCAPE_TWICE_SECONDS), Twice(LEAVE_TWICE_SECONDS)
        self._paths: Sequence[str] = ()
        self._on_the_way: list[str] = []
        self._panes = Panes(palette)
        self._revision = Revision(self._panes.composer)
        self._unsent = Unsent(self, self.keep_text, self.say)
        self.errands = Errands(self, self.say, self._panes.composer.give_back)
        self._visit = Visit(workspace, start, self._hear, self._unsent.keep_now, self._show)

    def compose(self) -> ComposeResult:
        yield self._panes

    def on_mount(self) -> None:
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        """What may cost something, once the screen has been painted. What was loaded till then is never collected again."""
        gc.freeze()
        gc.enable()
        self.errands.run(self._open_first(), brief=False)

    # --- the session -------------------------------------------------------------------------------------------------
    @property
    def session(self) -> "Session | None":
        return self._visit.session

    @property
    def _is_busy(self) -> bool:
        """Whether there is something to stop; the meter is told of it a moment later."""
        return bool(self._on_the_way) or (self.session is not None and self.session.state.state != "idle")

    async def _open_first(self) -> None:
        refusal, notices = await self._visit.begin(), self._workspace.notices
        if refusal:
            self.say(refusal, "error")
        elif notices:
            self.say(notices[0] + (f" (and {len(notices) - 1} more)" if len(notices) > 1 else ""), "warning")
        if self._start.picks:
            self._resume()
        self._workspace.warm()
        if self._start.prompt:
            self._send(self._start.prompt)
        self._panes.show_last(await asyncio.to_thread(self._workspace.cards), time.time_ns() // 1_000_000)
        await asyncio.to_thread(markdown.warm)

    def _show(self, session: "Session") -> None:
        """Show this session in the place of another, or as the first."""
        composer = self._panes.composer
        is_first = self.session is None
        self._revision.leave()
        self._panes.replay(session.replay())
        composer.remember([text_of(r.entry.parts) for r in session.user_messages() if isinstance(r.entry, UserSaid)])
        if not is_first or composer.is_blank:
            composer.load(self._workspace.kept_draft() if self._is_draft(session) else session.composer_text)
        self._panes.meter.show(used=session.context, state=session.state)
        self._panes.ask(session.approval)
        self._show_standing(session)

    async def close(self) -> None:
        """Keep what is unsent and close the session; for leaving."""
        await self._visit.close()

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
        if isinstance(event, Record) and event.type == "head_moved" and self.session is not None:
            self._panes.replay([record for record in self.session.replay() if record.seq < event.seq])
        else:
            self._panes.show(event)
        if isinstance(event, Record | StateDelta):
            self._show_standing()

    def _show_standing(self, session: "Session | None" = None) -> None:
        session = session or self.session
        if session is not None:
            saved = self._start.saved and self._workspace.folders is not None
            standing = standing_of(session, self._workspace, saved, self._revision.number)
            self._panes.show_standing(standing)

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
        elif self._is_busy:
            self._order(lambda session: session.interrupt())
        elif self._panes.composer.is_blank and self._escaped.again(event.time):
            self._pick_message()

    def _do_cancel(self, event: events.Key) -> None:
        if selected := self.get_selected_text():
            self._program.copy_to_clipboard(selected)
            self.clear_selection()
        elif not self._panes.composer.is_blank:
            self._panes.composer.clear()
        elif self._is_busy:
            self._order(lambda session: session.interrupt())
        elif self._cancelled.again(event.time):
            self._program.exit(0)
        else:
            self.say("Ctrl+C again leaves")

    def _do_leave(self, event: events.Key) -> None:
        if self._panes.composer.is_blank:
            self._program.exit(0)

    def _do_suspend(self, event: events.Key) -> None:
        self._unsent.keep_now()
        self._program.action_suspend_process()

    def _do_cycle_mode(self, event: events.Key) -> None:
        self._order(orders.next_mode)

    def _do_redraw(self, event: events.Key) -> None:
        self._program.refresh(repaint=True, layout=True)

    def _do_save(self, event: events.Key) -> None:
        if self._revision.number is not None:
            self.errands.run(self._revise(self._panes.composer.text, "save"), once="The edit")

    def _do_take_back(self, event: events.Key) -> None:
        if self._panes.meter.reading.unanswered:
            self.errands.run(self._take_back(), once="Taking it back")

    def _do_help(self, event: events.Key | None = None) -> None:
        from flowchat.ui import picking

        picking.show_help(self._program, self._palette)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The fork key is a letter like any other, unless nothing can be said here and nothing is being written."""
        if action == "fork":
            return self.session is not None and self.session.read_only is not None and self._panes.composer.is_blank
        return True

    def action_fork(self) -> None:
        self.errands.run(self._fork(), once="/fork")

    # --- what is written ---------------------------------------------------------------------------------------------
    def on_composer_changed(self) -> None:
        self._unsent.changed()

    def on_composer_files_wanted(self, message: Composer.FilesWanted) -> None:
        self.errands.run(self._offer_files(message.query), brief=False)

    async def _offer_files(self, query: str) -> None:
        if not query or not self._paths:
            self._paths = await asyncio.to_thread(self._workspace.files)
        self._panes.composer.offer(query, await asyncio.to_thread(file_offers, query, self._paths))

    def keep_text(self) -> None:
        """Keep on disk what is written here, and what was sent from here and has not arrived. Raises StorageFailed."""
        session = self.session
        text = "\n".join(part for part in (*self._on_the_way, self._revision.unsent) if part.strip())
        if session is not None and not self._is_draft(session):
            session.keep_composer(text)
        elif self._start.saved:
            self._workspace.keep_draft(text)

    def _is_draft(self, session: "Session") -> bool:
        """Whether what is written in it is the workspace's to keep: it has no folder yet, and will have one."""
        return self._start.saved and not session.transcript.head

    def on_panes_submitted(self, message: Panes.Submitted) -> None:
        text, is_blank = message.text, not message.text.strip()
        if self._revision.number is not None:
            if not is_blank:
                self.errands.run(self._revise(text, "resend"), once="The edit")
            return
        if is_blank:
            self._order(orders.go_on)
            return
        match read_command(text):
            case UnknownCommand(sentence):
                self.say(sentence, "warning")
                self._panes.composer.give_back(text)
            case Typed(command) as typed:
                once = f"/{command.name}" if command.act in _ONCE else ""
                self.errands.run(self._carry_out(typed), text, once, brief=command.act is not Act.COMPACT)
            case None:
                self._send(text)

    # --- commands out ------------------------------------------------------------------------------------------------
    def _send(self, text: str) -> None:
        """Say it; until it is on disk as said it is there as unsent."""

        async def send() -> None:
            try:
                session = await self._visit.current()
                await session.send(text)
            finally:
                self._on_the_way.remove(text)
            self._unsent.keep_now()

        self._on_the_way.append(text)
        self.errands.run(send(), text)

    def _order(self, ask: Order) -> None:
        """Ask something of the session, as soon as there is one."""

        async def order() -> None:
            await ask(await self._visit.current())
            self._show_standing()

        self.errands.run(order())

    def on_panes_ordered(self, message: Panes.Ordered) -> None:
        self._order(message.ask)

    def on_panes_taken_back(self, message: Panes.TakenBack) -> None:
        self.errands.run(self._take_from_queue(message.client_id))

    def on_conversation_copied(self, message: Conversation.Copied) -> None:
        self._program.copy_to_clipboard(message.text)
        self.say("Copied")

    async def _carry_out(self, typed: Typed) -> None:
        session, argument = await self._visit.current(), typed.argument
        match typed.command.act:
            case Act.HELP:
                self._do_help()
            case Act.NEW:
                await self._visit.begin_anew()
            case Act.RESUME:
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
                self.say(f"The model is {session.model or 'not set'}; /model NAME changes it")
            case Act.MODEL:
                await session.set_model(argument)
                self.say(f"{argument} answers from the next run on")
            case Act.COMPACT:
                await session.compact(argument)
            case Act.RETRY:
                await orders.retry(session)
            case _:
                assert_never(typed.command.act)
        self._show_standing()

    def _resume(self, wanted: str = "") -> None:
        go: Callable[[str], None] = lambda wanted: self.errands.run(self._visit.go_to(wanted), once="Opening a session")
        if wanted:
            go(wanted)
        else:
            from flowchat.ui import picking

            picking.pick_session(self._program, self._palette, self._workspace, go)

    async def _fork(self) -> None:
        was_busy = await self._visit.fork()
        copied, old = (
            ("This is a copy of what was saved", "was interrupted") if was_busy else ("This is a copy", "stays as it is")
        )
        self.say(f"{copied}; the session it came from {old}")

    # --- taking back, and editing an earlier message -----------------------------------------------------------------
    async def _take_back(self) -> None:
        session = await self._visit.current()
        with self._unsent.left_to_session():
            text = await session.take_back()
        self._panes.composer.give_back(text)

    async def _take_from_queue(self, client_id: str) -> None:
        """A waiting message goes back into the composer; it is unsent on disk before it leaves the queue."""
        session = await self._visit.current()
        item = next((item for item in session.queue if item.client_id == client_id), None)
        if item is None:
            self.say("That message has just been sent", "warning")
            return
        self._panes.composer.append(text_of(item.parts))
        self._panes.composer.focus()
        self._unsent.keep_now()
        await session.unqueue(client_id)

    def _pick_message(self, number: str = "") -> None:
        if self.session is not None:
            from flowchat.ui import picking

            walk: Callable[[Seq], None] = lambda to: self._order(lambda session: session.walk_to(to))
            picking.pick_message(self._program, self._palette, self.session, number, self._begin_revision, walk)

    def _begin_revision(self, said: "Said") -> None:
        self._revision.begin(said)
        self._show_standing()

    async def _revise(self, text: str, action: Literal["resend", "save"]) -> None:
        session = await self._visit.current()
        try:
            await self._revision.finish(session, self._unsent, text, action)
        finally:
            self._show_standing()
        if action == "save":
            self._panes.replay(session.replay())
