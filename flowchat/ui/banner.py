"""A standing sentence above the composer: why something is not as usual, and the key that changes it."""

from typing import Literal

from textual.geometry import Size
from textual.strip import Strip
from textual.widget import Widget

from flowchat.transcript.clean import clean
from flowchat.ui.palette import Palette
from flowchat.ui.prose import wrapped
from flowchat.ui.strips import line

Role = Literal["warn", "bad", "accent", "text"]


class Banner(Widget):
    """Shows sentences, each in its role, as long as they are true; nothing while there are none."""

    DEFAULT_CSS = "Banner { height: auto; display: none; }"

    def __init__(self, palette: Palette) -> None:
        super().__init__()
        self._palette = palette
        self._sentences: tuple[tuple[str, Role], ...] = ()

    def show(self, *sentences: tuple[str, Role]) -> None:
        cleaned = tuple[tuple[str, Role], ...]((clean(text), role) for text, role in sentences)
        if cleaned != self._sentences:
            self._sentences = cleaned
            self.display = bool(cleaned)
            self.refresh(layout=True)

    def use(self, palette: Palette) -> None:
        self._palette = palette
        self.refresh()

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self._lines(width))

    def render_line(self, y: int) -> Strip:
        lines = self._lines(self.size.width)
        if y >= len(lines):
            return line(self.size.width, [])
        text, role = lines[y]
        return line(self.size.width, [("  ", self._palette.text), (text, self._palette.role(role))])

    def _lines(self, width: int) -> list[tuple[str, Role]]:
        return [(part, role) for text, role in self._sentences for part in wrapped(text, max(8, width - 4))]
