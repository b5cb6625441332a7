"""The rule above the composer: the session's title, and for some seconds what there is to say, else what is slow."""

from typing import Literal

from rich.cells import cell_len
from textual.geometry import Size
from textual.strip import Strip
from textual.timer import Timer
from textual.widget import Widget

from flowchat.transcript.clean import clean
from flowchat.ui.palette import Palette
from flowchat.ui.prose import wrapped
from flowchat.ui.strips import cut, rule

Level = Literal["info", "warning", "error"]
TOAST_SECONDS = {"info": 4.0, "warning": 6.0, "error": 10.0}


class Edge(Widget):
    """One line, more only while a sentence needs them."""

    DEFAULT_CSS = "Edge { height: auto; }"

    def __init__(self, palette: Palette) -> None:
        super().__init__()
        self._palette = palette
        self._title = ""
        self._toast: tuple[str, Level] | None = None
        self._timer: Timer | None = None
        self._doing = ""

    def entitle(self, title: str) -> None:
        self._title = clean(title)
        self.refresh()

    def say(self, text: str, level: Level = "info") -> None:
        """Show a sentence for some seconds, or until the next one."""
        self._toast = (clean(text), level)
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(TOAST_SECONDS[level], self._quieten)
        self.refresh(layout=True)

    def tell(self, doing: str) -> None:
        """Show what is going on where there is nothing else to say; "": nothing is."""
        self._doing = clean(doing)
        self.refresh()

    def use(self, palette: Palette) -> None:
        self._palette = palette
        self.refresh()

    def _quieten(self) -> None:
        self._toast, self._timer = None, None
        self.refresh(layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return max(1, len(self._lines(width)))

    def render_line(self, y: int) -> Strip:
        palette, width = self._palette, self.size.width
        lines = self._lines(width)
        style = palette.dim
        if self._toast is not None:
            style = {"info": palette.accent, "warning": palette.warn, "error": palette.bad}[self._toast[1]]
        elif self._doing:
            lines = [cut(f"{palette.glyphs.running[0]} {self._doing}", max(8, width - 6))]
        left = [(f" {lines[y]} ", style)] if y < len(lines) else []
        room = width - (cell_len(lines[0]) + 8 if lines else 6)
        title = cut(self._title, min(48, room)) if room > 8 and y == 0 else ""
        right = [(f" {title} ", palette.dim)] if title else []
        return rule(width, palette.dim, left, right, palette.glyphs.rule)

    def _lines(self, width: int) -> list[str]:
        return wrapped(self._toast[0], max(8, width - 6)) if self._toast else []
