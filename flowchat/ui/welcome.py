"""The empty conversation: where you are, what is ready, what was done here last."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from textual.geometry import Size
from textual.strip import Strip
from textual.widget import Widget

from flowchat.transcript.clean import clean
from flowchat.ui.figures import from_home, moment
from flowchat.ui.palette import Palette
from flowchat.ui.prose import wrapped
from flowchat.ui.strips import Piece, cut, line

if TYPE_CHECKING:
    from flowchat.store.cards import SessionCard

LAST_LIMIT = 3
"""Sessions named."""


class Welcome(Widget):
    """Stands in the conversation's place until something is said."""

    def __init__(self, palette: Palette) -> None:
        super().__init__()
        self._palette = palette
        self._model, self._demo, self._path = "", False, ""
        self._last: Sequence[SessionCard] = ()
        self._now_ms = 0

    def show_ready(self, model: str, demo: bool, path: Path) -> None:
        self._model, self._demo, self._path = clean(model), demo, clean(from_home(str(path)))
        self.refresh()

    def show_last(self, cards: "Sequence[SessionCard]", now_ms: int) -> None:
        self._last, self._now_ms = cards[:LAST_LIMIT], now_ms
        self.refresh()

    def use(self, palette: Palette) -> None:
        self._palette = palette
        self.refresh()

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return container.height

    def render_line(self, y: int) -> Strip:
        rows = self._rows(self.size.width)
        top = 1 if self.size.height > len(rows) else 0
        pieces = rows[y - top] if 0 <= y - top < len(rows) else []
        return line(self.size.width, pieces, fill=self._palette.text)

    def _rows(self, width: int) -> list[list[Piece]]:
        palette = self._palette
        plain, dim = palette.text, palette.dim
        rows: list[list[Piece]] = [[("  flowchat", plain + palette.bold), (f"   {self._path}", dim)], []]
        if self._demo:
            rows.append([("  The demo model answers", palette.accent), (" offline; it is not a language model", plain)])
            rows += [
                [("  ", plain), (part, dim)]
                for part in wrapped("Try: list, read README.md, find, grep, run, write, edit, plan, long", width - 4)
            ]
            rows += [[("  ", plain), (part, dim)] for part in wrapped("/model NAME takes any litellm model", width - 4)]
        elif self._model:
            rows.append([("  ", plain), (self._model, palette.accent), (" is ready", plain), ("   /model changes it", dim)])
        if self._last:
            rows.append([])
            titles = [cut(clean(card.title or card.first_message), max(8, min(44, width - 34))) for card in self._last]
            longest = max(map(len, titles))
            for index, (card, title) in enumerate(zip(self._last, titles, strict=True)):
                head = "  Last here   " if index == 0 else " " * 14
                tail = "   /resume" if index == 0 else ""
                when = moment(card.updated_ms, self._now_ms)
                rows.append([(head, dim), (title.ljust(longest), plain), (f"   {when}", dim), (tail, dim)])
        return rows
