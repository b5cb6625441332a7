"""What the user ran with `!`: live below the conversation until it has its place there, a block of it from then on."""

import re
import time

import msgspec
from textual.geometry import Size
from textual.strip import Strip
from textual.timer import Timer
from textual.widget import Widget

from flowchat.transcript.clean import clean
from flowchat.transcript.entries import AnswerStatus, ToolAnswered
from flowchat.ui.blocks import Kind, Look, barred
from flowchat.ui.figures import many
from flowchat.ui.keymap import Keymap
from flowchat.ui.palette import Palette
from flowchat.ui.prose import Row, code_width
from flowchat.ui.strips import Piece, cut, line
from flowchat.ui.tool_panel import LIVE_ROWS, Panel

OUTPUT_ROWS = 12
"""Of what it printed the last so many rows show; unfolding shows the rest."""
FRAME_SECONDS = 0.1
_ENDS = re.compile(r"\[(?:exit (\d+)|(stopped)|ended by signal \d+|not finished after .*)\]")
_END_LINES = 3
"""Among so many last lines stands how it ended."""


class Ran(Panel):
    """A command and what it printed. `mark` is `!`, or `!!` where the model was not told."""

    kind: Kind = "mark"

    def __init__(self, mark: str, command: str, content: str) -> None:
        super().__init__(mark, _arguments(command), "waiting")
        self._printed = content
        self.answer(_answer(content))

    @property
    def source(self) -> str:
        return clean(self._printed)

    def _preview(self, look: Look) -> list[Row]:
        assert self._answer is not None
        text = clean(self._answer.content, drop_colours=True).strip("\n")
        rows = barred(text, look.palette, code_width(look.width)) if text else []
        hidden = len(rows) - OUTPUT_ROWS
        if hidden <= 1:
            return rows
        hint = look.keymap.hint("chat", "unfolds", "fold")
        words = f"{hidden + 1:,} more rows above" + (f", {hint}" if hint else "")
        return [*self._barred(look, [[(words, look.palette.dim)]]), *rows[hidden + 1 :]]


class _Running(Panel):
    """One whose output can be unfolded when it has its place in the conversation."""

    def wait(self) -> None:
        """It has ended; what it printed has no place yet."""
        self._stage = "waiting"
        self.version += 1

    def _right(self, look: Look, room: int) -> list[Piece]:
        joins = [(cut("joins after this step", max(1, room // 2)), look.palette.dim)]
        return super()._right(look, room) if self.moves else joins

    def _below(self, look: Look) -> list[Row]:
        return self._live(look, LIVE_ROWS)

    def _above(self, hidden: str, look: Look) -> str:
        return hidden


class OwnCommand(Widget):
    """Shows the command that runs, or waits for its place, with the end of what it prints; nothing while none does."""

    DEFAULT_CSS = "OwnCommand { height: auto; display: none; }"

    def __init__(self, palette: Palette, keymap: Keymap) -> None:
        super().__init__()
        self._palette, self._keymap = palette, keymap
        self._panel: _Running | None = None
        self._rows: list[Strip] = []
        self._timer: Timer | None = None
        self._beat = 0

    def begin(self, mark: str, command: str) -> None:
        self.end()
        self._panel = _Running(mark, _arguments(command), "waiting")
        self._panel.start(time.monotonic())
        self.display = True
        self._timer = self.set_interval(FRAME_SECONDS, self._tick)
        self._draw()

    def put_out(self, text: str) -> None:
        """The next piece of what it prints; it shows with the next frame."""
        if self._panel is not None:
            self._panel.put_out(text)

    def wait(self) -> None:
        """It has ended, and stays here until what it printed has its place."""
        if self._panel is not None:
            self._panel.wait()
            self._stop_ticking()
            self._draw()

    def placed(self) -> None:
        """What a command printed has its place."""
        if self._panel is not None and not self._panel.moves:
            self.end()

    def end(self) -> None:
        self._panel, self.display = None, False
        self._stop_ticking()

    def _stop_ticking(self) -> None:
        if self._timer is not None:
            self._timer.stop()

    def use(self, palette: Palette) -> None:
        self._palette = palette
        self._draw()

    def on_resize(self) -> None:
        self._draw()

    def _tick(self) -> None:
        self._beat += 1
        if self._panel is not None:
            self._panel.tick(time.monotonic(), self._beat // 5)
            self._draw()

    def _draw(self) -> None:
        if self._panel is None:
            return
        before = len(self._rows)
        look = Look(self.size.width, self._palette, keymap=self._keymap)
        self._rows = [row for row in self._panel.draw(look) if isinstance(row, Strip)]
        self.refresh(layout=len(self._rows) != before)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self._rows)

    def render_line(self, y: int) -> Strip:
        return self._rows[y] if y < len(self._rows) else line(self.size.width, [])


def _arguments(command: str) -> str:
    return msgspec.json.encode({"command": command}).decode()


def _answer(content: str) -> ToolAnswered:
    """What was printed, and how it ended, as a tool's answer has it."""
    lines = content.split("\n")
    for back in range(1, min(_END_LINES, len(lines)) + 1):
        if ended := _ENDS.fullmatch(lines[-back]):
            status: AnswerStatus = "ok" if ended[1] == "0" else "interrupted" if ended[2] else "error"
            printed = [*lines[:-back], *lines[len(lines) - back + 1 :]]
            break
    else:
        ended, status, printed = None, "ok", lines
    body = "\n".join(printed)
    words = [ended[0][1:-1]] if ended is not None and status == "error" else []
    words += [many(len(printed), "line")] if body and body != "[no output]" else []
    return ToolAnswered("", status, ", ".join(words), "" if body == "[no output]" else body)
