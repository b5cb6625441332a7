"""One session on the screen with all that stands around it: what keys and commands may use, and what becomes of what is heard."""

import asyncio
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Literal, TypeVar, cast

from textual.app import App
from textual.screen import Screen

from flowchat.errors import StorageFailed
from flowchat.transcript.entries import Record, UserSaid, text_of
from flowchat.transcript.events import Heard, StateDelta
from flowchat.ui.away import away
from flowchat.ui.edge import Level
from flowchat.ui.errands import Errands
from flowchat.ui.keymap import Keymap
from flowchat.ui.looks import Looks
from flowchat.ui.opening import Start
from flowchat.ui.palette import Palette
from flowchat.ui.panes import Order, Panes
from flowchat.ui.revision import Revision
from flowchat.ui.rows import Rows
from flowchat.ui.standing import standing_of
from flowchat.ui.unsent import Unsent
from flowchat.ui.visit import Visit

if TYPE_CHECKING:
    from flowchat.runtime.session import Session
    from flowchat.runtime.workspace import Workspace
    from flowchat.ui.app import FlowchatApp
    from flowchat.ui.clipboard import Clipboard
    from flowchat.ui.message_picker import Said
    from flowchat.ui.terminal import Terminal

T = TypeVar("T")
_MARKING = frozenset({"items_set", "compacted", "compaction_undone", "edited", "head_moved", "run_ended"})
"""What may change how what is set of items reads."""
KEPT_SECONDS = 2.0
"""How long a suspend waits for the disk; what is not on it by then is written when the process goes on."""


class Stage:
    """Its parts are there for keys and commands to use; what they share of asking and showing is below."""

    def __init__(self, screen: Screen[None], workspace: "Workspace", start: Start, looks: Looks, keymap: Keymap) -> None:
        """`screen` owns the work that is done beside it."""
        self.screen, self.workspace, self.start, self.looks = screen, workspace, start, looks
        self.keymap = keymap
        self.panes = Panes(looks.palette, keymap)
        self.revision = Revision(self.panes.composer)
        self.unsent = Unsent(screen, self.keep_text)
        self.errands = Errands(screen, self.say, self.panes.composer.give_back, self.panes.edge.tell)
        self.visit = Visit(workspace, start, self._hear, self.unsent.keep_now, self._show, self.say)
        self.recent: list[str] = []
        """What was chosen in the menu, the last first."""
        self._on_the_way: list[str] = []
        self._clipboard: Clipboard | None = None

    @property
    def app(self) -> App[int]:
        return cast("App[int]", self.screen.app)  # pyright: ignore[reportUnknownMemberType]  # textual leaves its result type open

    async def ask(self, screen: "Screen[T]") -> "T | None":
        """What the person answers on a screen of its own."""
        with self.errands.asking():
            return await self.app.push_screen_wait(screen)

    @property
    def session(self) -> "Session | None":
        return self.visit.session

    @property
    def is_busy(self) -> bool:
        """Whether there is something to stop; the meter is told of it a moment later."""
        return bool(self._on_the_way) or (self.session is not None and self.session.state.state != "idle")

    @property
    def palette(self) -> Palette:
        """For screens on top of this one: it changes with the looks while they are open."""
        return self.looks.live

    def use_looks(self) -> None:
        """Draw as the looks are now, here and on the screens above."""
        self.panes.use(self.looks.palette)
        for widget in (widget for screen in self.app.screen_stack[1:] for widget in screen.walk_children()):
            if isinstance(widget, Rows):
                widget.draw_again()
            else:
                widget.refresh()

    def say(self, text: str, level: Level = "info") -> None:
        self.panes.say(text, level)

    def copy(self, text: str, what: str = "") -> None:
        """Bring a text to the clipboard, and say where it is; `what` it is of several."""
        self.errands.run(self._copy(text, what), brief=False, doing="Copying")

    async def _copy(self, text: str, what: str) -> None:
        from flowchat.ui.clipboard import Clipboard, told

        if not text:
            self.say("There is nothing to copy here")
        elif self.terminal is None:
            self.app.copy_to_clipboard(text)
            self.say(told(text, what, "the clipboard"))
        else:
            self._clipboard = self._clipboard or Clipboard(os.environ, self.terminal.write)
            try:
                self.say(await self._clipboard.copy(text, what))
            except OSError as error:
                self.say(f"Not copied: no clipboard can be reached, and no file written ({error.strerror})", "error")

    @property
    def terminal(self) -> "Terminal | None":
        """What the screen is drawn on; None where that is not a terminal."""
        return cast("FlowchatApp", self.app).terminal

    def switch_mouse(self, to: bool | None = None) -> None:
        """Take the mouse, or leave it to the terminal; None: the other of the two."""
        if self.terminal is None:
            return
        has_mouse = self.terminal.capture_mouse(not self.panes.meter.reading.has_mouse if to is None else to)
        self.panes.meter.show(has_mouse=has_mouse)
        keys = self.keymap.hint("chat", "takes it back", "mouse") or "/mouse takes it back"
        self.say("The mouse scrolls and selects here" if has_mouse else f"The mouse is left to the terminal; {keys}")

    # --- what is heard and shown -------------------------------------------------------------------------------------
    def show_standing(self, session: "Session | None" = None) -> None:
        """Show what is so beside the conversation, of the session on the screen or of one about to be."""
        session = session or self.session
        if session is not None:
            saved = self.visit.saved and self.workspace.folders is not None
            self.panes.show_standing(standing_of(session, self.workspace, saved, self.revision.number))

    async def greet(self) -> None:
        """Show in the empty conversation where it is, why its model is ready, and what was done here before."""
        session = await self.visit.current()
        greeting = await asyncio.to_thread(self.workspace.greeting, session.model)
        self.panes.welcome.greet(greeting, time.time_ns() // 1_000_000)
        if session.demo and not (self.start.model or self.workspace.settings.model):
            await self._tell_found()

    async def _tell_found(self) -> None:
        """Say what could answer here instead of the demo, which nobody chose."""
        found = await self.workspace.choosing.look_around()
        offers = await asyncio.to_thread(self.workspace.choosing.offers, found)
        if any(offer.model and offer.kind != "demo" for offer in offers):
            from flowchat.ui.model_rows import summary

            self.panes.welcome.tell_found(summary(found, offers))

    def _show(self, session: "Session") -> None:
        """Show this session in the place of another, or as the first."""
        composer = self.panes.composer
        is_first = self.session is None
        self.revision.leave()
        self.panes.command.end()
        self.panes.replay(session.replay())
        self.panes.conversation.mark_items(session.context.chosen)
        composer.remember([text_of(r.entry.parts) for r in session.user_messages() if isinstance(r.entry, UserSaid)])
        if not is_first or composer.is_blank:
            composer.load(self.workspace.writing.kept_draft() if self._is_draft(session) else session.composer_text)
        self.panes.meter.show(used=session.context.used)
        self.panes.show(session.state)
        self.panes.ask(session.approval)
        self.show_standing(session)

    def _hear(self, heard: Heard) -> None:
        event = heard.event
        if isinstance(event, Record) and event.type == "head_moved" and self.session is not None:
            self.panes.replay([record for record in self.session.replay() if record.seq < event.seq])
        else:
            self.panes.show(event)
        if isinstance(event, Record) and event.type in _MARKING and self.session is not None:
            self.panes.conversation.mark_items(self.session.context.chosen)
        if isinstance(event, Record | StateDelta):
            self.show_standing()

    # --- what is asked of the session --------------------------------------------------------------------------------
    def send(self, text: str) -> None:
        """Say it; until it is on disk as said it is there as unsent."""

        async def send() -> None:
            try:
                session = await self.visit.current()
                await session.send(text)
            finally:
                self._on_the_way.remove(text)
            self.unsent.keep_now()

        self._on_the_way.append(text)
        self.errands.run(send(), text)

    def remember(self, text: str) -> None:
        """Keep what was written where the search of every session finds it."""
        if self.start.saved:
            self.errands.run(self.workspace.writing.remember(text), brief=False)

    def run_command(self, text: str) -> None:
        """Run what stands after `!`, or after `!!` without telling the model."""
        mark = "!!" if text.startswith("!!") else "!"
        command, shown = text.removeprefix(mark).strip(), self.panes.command

        async def run() -> None:
            session = await self.visit.current()
            if command and not session.commands.running:
                shown.begin(mark, command)
                self.panes.meter.show(commands=True)
            try:
                await session.commands.run(command, shown.put_out, for_model=mark == "!")
            finally:
                if not session.commands.running:
                    (shown.wait if session is self.session and session.commands.waiting else shown.end)()
                    self.panes.meter.show(commands=False)

        self.errands.run(run(), text, brief=False)

    def stop_command(self) -> bool:
        """End the command the user runs; False where none does."""
        return self.session is not None and self.session.commands.stop()

    def order(self, ask: Order) -> None:
        """Ask something of the session, as soon as there is one."""

        async def order() -> None:
            await ask(await self.visit.current())
            self.show_standing()

        self.errands.run(order())

    def fork(self) -> None:
        """Go on in a copy."""
        self.errands.run(self.go_on_in_copy(), once="/fork", doing="Copying the session")

    async def go_on_in_copy(self) -> None:
        """Raises ReadOnly, StorageFailed."""
        was_busy = await self.visit.fork()
        copied, old = (
            ("This is a copy of what was saved", "was interrupted") if was_busy else ("This is a copy", "stays as it is")
        )
        self.say(f"{copied}; the session it came from {old}")

    async def take_back(self) -> None:
        """The last message, which got no answer, goes back into the composer."""
        session = await self.visit.current()
        with self.unsent.left_to_session():
            text = await session.take_back()
        self.panes.composer.give_back(text)

    async def take_from_queue(self, client_id: str) -> None:
        """A waiting message goes back into the composer; it is unsent on disk before it leaves the queue."""
        session = await self.visit.current()
        item = next((item for item in session.queue if item.client_id == client_id), None)
        if item is None:
            self.say("That message has just been sent", "warning")
            return
        self.panes.composer.append(text_of(item.parts))
        self.panes.composer.focus()
        self.unsent.keep_now()
        await session.waiting.take(client_id)

    def edit_outside(self) -> None:
        """Write on in the user's editor, which has the terminal meanwhile."""
        self.errands.run(self._edit_outside(), once="The editor", brief=False)

    async def _edit_outside(self) -> None:
        composer, workspace = self.panes.composer, self.workspace
        editor, text = workspace.writing.editor(), composer.text
        self.unsent.keep_now()
        with away(self.app):
            written = await workspace.writing.edit_outside(editor, text)
        if written != text:
            composer.load(written)

    # --- editing an earlier message ----------------------------------------------------------------------------------
    def begin_revision(self, said: "Said") -> None:
        self.revision.begin(said)
        self.show_standing()

    def leave_revision(self) -> None:
        self.revision.leave()
        self.show_standing()

    def revise(self, text: str, action: Literal["resend", "save"]) -> None:
        """Finish the edit with this text, if it is not being finished."""
        self.errands.run(self._revise(text, action), once="The edit")

    async def _revise(self, text: str, action: Literal["resend", "save"]) -> None:
        session = await self.visit.current()
        try:
            await self.revision.finish(session, self.unsent, text, action)
        finally:
            self.show_standing()
        if action == "save":
            self.panes.replay(session.replay())
        self.panes.conversation.mark_items(session.context.chosen)

    # --- unsent text -------------------------------------------------------------------------------------------------
    def keep_text(self) -> None:
        """Keep on disk what is written here, and what was sent from here and has not arrived."""
        session = self.session
        text = "\n".join(part for part in (*self._on_the_way, self.revision.unsent) if part.strip())
        if session is not None and not self._is_draft(session):
            session.keep_composer(text)
        elif self.start.saved:
            self.workspace.writing.keep_draft(text)

    async def suspend(self) -> None:
        """Stop the process as the shell's key would, once what is unsent is on disk, or the disk took too long over it."""
        self.unsent.keep_now()
        with suppress(StorageFailed, TimeoutError):
            async with asyncio.timeout(KEPT_SECONDS):
                await self.workspace.writing.draft_kept()
                if self.session is not None:
                    await self.session.composer_kept()
        self.app.action_suspend_process()

    def _is_draft(self, session: "Session") -> bool:
        """Whether what is written in it is the workspace's to keep: it has no folder yet, and will have one."""
        return self.start.saved and not session.transcript.head
