"""The empty conversation: where you are, what is ready, what was done here last."""

from pathlib import Path
from typing import TYPE_CHECKING

from textual.geometry import Size
from textual.strip import Strip
from textual.widget import Widget

from flowchat.transcript.clean import clean
from flowchat.ui.figures import from_home, many, moment
from flowchat.ui.keymap import DEFAULT, Keymap
from flowchat.ui.palette import Palette
from flowchat.ui.prose import one_line, wrapped
from flowchat.ui.strips import Piece, cut, line, pieces_width

if TYPE_CHECKING:
    from flowchat.runtime.greeting import Greeting

LAST_LIMIT = 3
"""Sessions named."""
RESUME = "   /resume"


class Welcome(Widget):
    """Stands in the conversation's place until something is said."""

    def __init__(self, palette: Palette, keymap: Keymap = DEFAULT) -> None:
        super().__init__()
        self._palette, self._keymap = palette, keymap
        self._model, self._demo, self._path = "", False, ""
        self._is_known = False
        self._greeting: Greeting | None = None
        self._found = ""
        self._now_ms = 0

    def show_ready(self, model: str, demo: bool, path: Path) -> None:
        self._model, self._demo, self._path = clean(model), demo, clean(from_home(str(path)))
        self._is_known = True
        self.refresh()

    def greet(self, greeting: "Greeting", now_ms: int) -> None:
        self._greeting, self._now_ms = greeting, now_ms
        self.refresh()

    def tell_found(self, found: str) -> None:
        """What else could answer here, while only the demo does; empty: nothing."""
        self._found = found
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
        palette, greeting = self._palette, self._greeting
        plain, dim = palette.text, palette.dim
        if not self._is_known:
            return [[("  flowchat", plain + palette.bold)]]
        branch = f"   {one_line(greeting.branch)}" if greeting is not None and greeting.branch else ""
        path = cut(self._path, max(8, width - len(branch) - 15))
        rows: list[list[Piece]] = [[("  flowchat", plain + palette.bold), (f"   {path}{branch}", dim)], []]
        rows += self._ready(width)
        if greeting is not None and (greeting.instructions or greeting.skills):
            read = [one_line(from_home(str(path))) for path in greeting.instructions]
            names = ", ".join([*read, *([many(greeting.skills, "skill")] if greeting.skills else [])])
            rows += [[], [("  Instructions   ", dim), (cut(names, max(8, width - 19)), plain)]]
        return [*rows, *self._trust(width), *self._last(width)]

    def _ready(self, width: int) -> list[list[Piece]]:
        """What answers, and how another is chosen."""
        palette = self._palette
        plain, dim = palette.text, palette.dim
        choose = self._keymap.hint("chat", "chooses a model", "model") or "/model chooses a model"
        if self._demo:
            rows: list[list[Piece]] = [
                [("  The demo model answers", palette.accent), (" offline; it is not a language model", plain)]
            ]
            trying = wrapped("Try: list, read README.md, find, grep, run, write, edit, plan, long", width - 4)
            rows += [[("  ", plain), (part, dim)] for part in trying]
            if self._found:
                takes = self._keymap.hint("chat", "takes it", "model") or "/model takes it"
                return [*rows, *([("  ", plain), (part, plain)] for part in wrapped(f"{self._found}. {takes}", width - 4))]
            return [*rows, *([("  ", plain), (part, dim)] for part in wrapped(f"{choose} or enters an API key", width - 4))]
        reason = f" ({one_line(self._greeting.reason)})" if self._greeting is not None and self._greeting.reason else ""
        ready: list[Piece] = [("  ", plain), (self._model, palette.accent), (f" is ready{reason}", plain)]
        if not self._model:
            ready = [("  No model is chosen", palette.warn)]
        if pieces_width(ready) + len(choose) + 5 <= width:
            return [[*ready, (f"   {choose}", dim)]]
        return [ready, [("  ", plain), (choose, dim)]]

    def _trust(self, width: int) -> list[list[Piece]]:
        """What of the folder does nothing yet, and where that is changed; nothing where nothing waits."""
        plain, dim, greeting = self._palette.text, self._palette.dim, self._greeting
        count = 0 if greeting is None else greeting.waiting + greeting.skills_waiting
        if greeting is None or not count:
            return []
        settings = many(greeting.waiting, "setting or rule").replace("setting or rules", "settings and rules")
        skills = many(greeting.skills_waiting, "skill")
        things = [*([settings] if greeting.waiting else []), *([skills] if greeting.skills_waiting else [])]
        waiting = f"{' and '.join(things)} of this folder"
        verb = "wait" if count > 1 else "waits"
        until = "to be approved" if greeting.trusted else "until you trust it"
        looks = self._keymap.hint("chat", "looks at them" if count > 1 else "looks at it", "trust")
        told = wrapped(f"{waiting} {verb} {until}. {looks or '/trust looks at them'}", width - 4)
        return [[], *([("  ", plain), (part, plain if index == 0 else dim)] for index, part in enumerate(told))]

    def _last(self, width: int) -> list[list[Piece]]:
        plain, dim = self._palette.text, self._palette.dim
        cards = self._greeting.last[:LAST_LIMIT] if self._greeting is not None else ()
        if not cards:
            return []
        rows: list[list[Piece]] = [[]]
        titles = [cut(clean(card.title or card.first_message), max(8, min(44, width - 34))) for card in cards]
        longest = max(map(len, titles))
        for index, (card, title) in enumerate(zip(cards, titles, strict=True)):
            head = "  Last here   " if index == 0 else " " * 14
            row: list[Piece] = [(head, dim), (title.ljust(longest), plain), (f"   {moment(card.updated_ms, self._now_ms)}", dim)]
            if index == 0 and pieces_width(row) + len(RESUME) <= width:
                row.append((RESUME, dim))
            rows.append(row)
        return rows
