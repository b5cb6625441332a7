"""The front door of the screen: theme, screen stack, signals, the way in and the way out; no business."""

import asyncio
import gc
import logging
import os
import signal
import sys
from threading import Timer
from types import FrameType
from typing import TYPE_CHECKING, Any

from textual import events
from textual.app import App
from textual.geometry import Offset
from textual.screen import Screen

from flowchat.transcript.clean import clean
from flowchat.ui.chat_screen import ChatScreen
from flowchat.ui.in_turn import InTurn
from flowchat.ui.intake import GroundTold
from flowchat.ui.keymap import FILE_NAME, load_keymap
from flowchat.ui.looks import Looks
from flowchat.ui.opening import Start
from flowchat.ui.terminal import HungUp, Terminal, guard, say_behind

if TYPE_CHECKING:
    from flowchat.runtime.workspace import Workspace

__all__ = ["LEAVE_SECONDS", "FlowchatApp", "Start", "run_app"]

LEAVE_SECONDS = 5.0
"""After this a leaving program restores the terminal and ends, whatever still waits."""
_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
_log = logging.getLogger("flowchat")


def run_app(workspace: "Workspace", *, start: Start) -> int:
    """Run the screen until the person leaves; gives the exit code: 0, 1 after a crash, 128 + n after signal n.

    The session is closed and the terminal as it was; how to resume, or what went wrong, is printed.
    """
    code = asyncio.run(_run(workspace, start))
    gc.freeze()
    return code


async def _run(workspace: "Workspace", start: Start) -> int:
    app = FlowchatApp(workspace, start)
    with _Signals(app) as signals:
        code = await app.run_async()
        await app.close_session()
        await workspace.close()
    if app.crash is not None:
        log = f"; details are in {start.log}" if start.log else ""
        say_behind(f"flowchat: the screen failed: {clean(str(app.crash)) or type(app.crash).__name__}{log}", sys.stderr)
        code = 1
    if app.resumable:
        say_behind(f"Continue with: flowchat -r {app.resumable}", sys.stdout)
    return signals.code or code or 0


class _Signals:
    """While entered: a signal asks the app to leave, and after LEAVE_SECONDS the process ends even if it cannot.

    The loop's own handlers make the app leave; they also give the process a wake-up descriptor, without which a signal that
    another thread takes (SIGCONT and SIGWINCH too) would wait until something else wakes the loop. `_heard`, in their place
    at the interpreter, starts the guard even while the loop is stuck.
    """

    def __init__(self, app: "FlowchatApp") -> None:
        self.code = 0
        self._app = app
        self._guard: Timer | None = None

    def __enter__(self) -> "_Signals":
        self._loop = asyncio.get_running_loop()
        self._before = {number: signal.getsignal(number) for number in _SIGNALS}
        for number in _SIGNALS:
            self._loop.add_signal_handler(number, self._app.exit, 0)
            signal.signal(number, self._heard)
        return self

    def __exit__(self, *_: object) -> None:
        if self._guard is not None:
            self._guard.cancel()
            self._guard.join()  # where it has begun to restore the terminal, the process ends with it
        for number, before in self._before.items():
            self._loop.remove_signal_handler(number)
            signal.signal(number, before)

    def _heard(self, number: int, frame: FrameType | None) -> None:
        if not self.code:
            self.code = 128 + number
            self._guard = guard(self._app.terminal, LEAVE_SECONDS, self.code)


class FlowchatApp(App[int], inherit_bindings=False):
    """One chat screen, and what is pushed on top of it."""

    CSS_PATH = "flowchat.tcss"
    ENABLE_COMMAND_PALETTE = False
    TITLE = "flowchat"

    def __init__(self, workspace: "Workspace", start: Start) -> None:
        self._start = start
        super().__init__(driver_class=Terminal, ansi_color=True)
        own = workspace.folders.themes if workspace.folders else None
        self.looks = Looks(workspace.settings.theme, own, start.colours, ascii_only=start.ascii)
        keymap = load_keymap(workspace.folders and workspace.folders.config / FILE_NAME)
        self._chat = ChatScreen(workspace, start, self.looks, keymap)
        self._in_turn = InTurn(self, self._chat.errands, super().on_event)
        self.animation_level = "none"
        self.crash: BaseException | None = None
        self.resumable = ""

    @property
    def ascii_only(self) -> bool:
        """Whether the terminal shows ASCII alone."""
        return self._start.ascii

    def get_default_screen(self) -> ChatScreen:
        return self._chat

    @property
    def chat(self) -> ChatScreen:
        """The screen at the bottom of the stack."""
        return self._chat

    async def close_session(self) -> None:
        """Close the session; afterwards `resumable` names it if there is something to resume."""
        session = self._chat.session
        await self._chat.close()
        if session is not None and session.transcript.head and self._chat.is_saved:
            self.resumable = session.sid

    # --- looks -------------------------------------------------------------------------------------------------------
    @property
    def asks_ground(self) -> bool:
        """Whether the terminal is asked what its background is."""
        return self.looks.asks_ground

    def on_ground_told(self, message: GroundTold) -> None:
        if self.looks.ground_is(message.ground):
            self._chat.use_looks()

    # --- keys --------------------------------------------------------------------------------------------------------
    async def on_event(self, event: events.Event) -> None:
        if isinstance(event, events.InputEvent | events.Paste) and not event.is_forwarded:
            await self._in_turn.take(event)
        else:
            await super().on_event(event)

    # --- the terminal ------------------------------------------------------------------------------------------------
    @property
    def terminal(self) -> Terminal | None:
        return self._driver if isinstance(self._driver, Terminal) else None

    @property
    def cursor_position(self) -> Offset:
        """Where a frame leaves the terminal's cursor: at the caret of what is being written in."""
        caret = self._caret()
        return caret if caret is not None else Offset(0, 0)

    @cursor_position.setter
    def cursor_position(self, position: Offset) -> None:
        """Textual's requested position is ignored."""

    def _caret(self) -> Offset | None:
        """The cell of the screen with the caret; None while nothing is written in."""
        screen = self._screen_stack[-1] if self._screen_stack else None
        for widget in (screen.focused if screen else None, screen):
            caret: Offset | None = getattr(widget, "caret", None)
            if widget is not None and caret is not None:
                return widget.content_region.offset + caret
        return None

    def _display(self, screen: Screen[Any], renderable: Any) -> None:
        if self.terminal is not None:
            self.terminal.show_caret(self._caret() is not None)
        super()._display(screen, renderable)  # pyright: ignore[reportUnknownMemberType]

    def on_mount(self) -> None:
        self.app_resume_signal.subscribe(self, self._came_back)  # pyright: ignore[reportUnknownMemberType]

    def _came_back(self, _: Any) -> None:
        """Back from the shell: the terminal shows nothing of us."""
        self.screen.refresh(layout=True)

    def on_hung_up(self, message: HungUp) -> None:
        os.kill(os.getpid(), signal.SIGHUP)

    # --- what textual does that we do not want -----------------------------------------------------------------------
    def _watch_app_focus(self, focus: bool) -> None:
        """A terminal that lost the focus keeps its caret, and nothing is painted."""

    def _set_pointer_shape(self, shape: Any) -> None:
        """The mouse pointer stays as it is everywhere in this terminal; it would also stay as we left it."""

    def _fatal_error(self) -> None:
        """A bug: leave; the sentence is printed after the screen is gone, the details go to the log."""
        self.crash = sys.exc_info()[1] or self._exception or RuntimeError("unknown")
        _log.error("the screen failed", exc_info=self.crash)
        self._close_messages_no_wait()

    def panic(self, *renderables: Any) -> None:
        self._fatal_error()
