"""Ready-made lines of styled text that scroll when there are more than fit: help, previews, heads and feet of screens."""

from collections.abc import Callable, Sequence

from textual import events
from textual.geometry import Size
from textual.strip import Strip
from textual.widget import Widget

from flowchat.ui.palette import Palette
from flowchat.ui.strips import Piece, hint_lines, line

Draw = Callable[[int], Sequence[Sequence[Piece]]]
"""Gives the lines for a width."""


def foot_lines(width: int, hints: Sequence[str], palette: Palette) -> list[list[Piece]]:
    """Hints below what scrolls, and a rule between the two."""
    return [[(palette.glyphs.rule * width, palette.dim)], *hint_lines(width, hints, palette.dim)]


class Rows(Widget):
    """Draws the lines it is given; `height: auto` shows them all, any other height scrolls."""

    DEFAULT_CSS = "Rows { height: auto; }"

    def __init__(self, palette: Palette, draw: Draw = lambda width: ()) -> None:
        super().__init__()
        self._palette, self._draw = palette, draw
        self._drawn: tuple[int, Sequence[Sequence[Piece]]] = (-1, ())
        self._top = 0

    def show(self, draw: Draw) -> None:
        self._draw, self._top, self._drawn = draw, 0, (-1, ())
        self.refresh(layout=True)

    def draw_anew(self, draw: Draw) -> None:
        """Other lines in the place of those that are there, as far scrolled."""
        self._draw = draw
        self.draw_again()

    def draw_again(self) -> None:
        """What the lines were made of has changed."""
        self._drawn = (-1, ())
        self.refresh(layout=True)

    def act(self, act: str) -> bool:
        """Scroll as a key of keys.LIST asks; False if the act is not about scrolling."""
        page = max(1, self.size.height - 2)
        count = len(self._lines(self.size.width))
        steps = {"up": -1, "down": 1, "page_up": -page, "page_down": page, "first": -count, "last": count}
        if act not in steps:
            return False
        self._top = max(0, min(self._top + steps[act], count - self.size.height))
        self.refresh()
        return True

    @property
    def is_at_end(self) -> bool:
        """Whether nothing is hidden below."""
        return self._top + self.size.height >= len(self._lines(self.size.width))

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self._lines(width))

    def render_line(self, y: int) -> Strip:
        lines = self._lines(self.size.width)
        index = self._top + y
        return line(self.size.width, lines[index] if index < len(lines) else (), fill=self._palette.text)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.act("up")

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.act("down")

    def _lines(self, width: int) -> Sequence[Sequence[Piece]]:
        if self._drawn[0] != width:
            self._drawn = (width, self._draw(width))
        return self._drawn[1]
