"""A question that one key answers, above the composer: y does it, any other key does not."""

from collections.abc import Sequence

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen

from flowchat.transcript.clean import clean
from flowchat.ui.palette import Palette
from flowchat.ui.prose import wrapped
from flowchat.ui.rows import Rows
from flowchat.ui.strips import Piece, hint_lines


class ConfirmScreen(ModalScreen[bool], inherit_bindings=False):
    """Gives whether `verb`, what y does, is to be done."""

    def __init__(self, palette: Palette, title: str, question: str, verb: str) -> None:
        super().__init__()
        self._palette, self._title, self._question, self._verb = palette, title, clean(question), verb

    def compose(self) -> ComposeResult:
        with Vertical(classes="bar"):
            yield Rows(self._palette, self._lines)

    def on_key(self, event: events.Key) -> None:
        event.stop()
        self.dismiss(event.key == "y")

    def on_paste(self, event: events.Paste) -> None:
        event.stop()

    def _lines(self, width: int) -> Sequence[Sequence[Piece]]:
        palette = self._palette
        head: list[Piece] = [(palette.glyphs.rule * 2, palette.dim), (f" {self._title} ", palette.text + palette.bold)]
        head.append((palette.glyphs.rule * max(0, width - len(self._title) - 4), palette.dim))
        asked = [[("  ", palette.text), (part, palette.text)] for part in wrapped(self._question, width - 4)]
        return [head, *asked, *hint_lines(width, (f"y {self._verb}", "any other key leaves it"), palette.dim)]
