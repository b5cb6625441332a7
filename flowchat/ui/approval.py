"""The decision bar: the whole of what is about to happen, then the choices; a stray key never decides."""

import time
from collections.abc import Callable
from typing import Literal

from textual import events
from textual.geometry import Offset, Size
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from flowchat.transcript.clean import clean
from flowchat.transcript.entries import CallId
from flowchat.transcript.events import ApprovalAsked
from flowchat.ui.figures import from_home, many
from flowchat.ui.palette import Palette
from flowchat.ui.strips import Piece, cut, line, rule, wrapped

GUARD_SECONDS = 0.3
"""A key decides only this long after the bar was painted, and after the last key typed, here or into the composer."""
Decision = Literal["once", "session", "deny"]
_DECISIONS: dict[str, Decision] = {"y": "once", "s": "session", "n": "deny"}
_SCROLLS = {"up": -1, "down": 1}


class Approval(Widget, can_focus=True):
    """Shows one question at a time. While it has the focus, what is not a decision is `Passed` on to the composer."""

    class Decided(Message):
        def __init__(self, call: CallId, decision: Decision, reason: str = "") -> None:
            super().__init__()
            self.call, self.reason = call, reason
            self.decision: Decision = decision

    class Passed(Message):
        """A key or a paste that decides nothing."""

        def __init__(self, event: events.Key | events.Paste) -> None:
            super().__init__()
            self.event = event

    class Interrupted(Message):
        """Escape."""

    DEFAULT_CSS = "Approval { height: auto; display: none; }"

    def __init__(self, palette: Palette, last_typed: Callable[[], float]) -> None:
        """`last_typed`: when a key was last typed into the composer, in the clock of events."""
        super().__init__()
        self._palette, self._last_typed = palette, last_typed
        self._asked: ApprovalAsked | None = None
        self._painted: float | None = None
        self._last_key = float("-inf")
        self._reason: str | None = None
        self._scrolled: int | None = None
        self._rows_limit = 12

    @property
    def asked(self) -> ApprovalAsked | None:
        return self._asked

    def show(self, asked: ApprovalAsked | None) -> None:
        """Ask, or (None) go away."""
        self._asked, self._reason, self._scrolled, self._painted = asked, None, None, None
        self._last_key = float("-inf")
        self.display = asked is not None
        self.refresh(layout=True)
        if asked is not None:
            self.call_after_refresh(self._note_painted, asked)

    def limit_rows(self, rows: int) -> None:
        """The rows it may take; a longer preview scrolls."""
        if rows != self._rows_limit:
            self._rows_limit = rows
            self.refresh(layout=True)

    def use(self, palette: Palette) -> None:
        self._palette = palette
        self.refresh()

    def _note_painted(self, asked: ApprovalAsked) -> None:
        if self._asked is asked:
            self._painted = time.monotonic()

    # --- keys --------------------------------------------------------------------------------------------------------
    def on_key(self, event: events.Key) -> None:
        if self._asked is None:
            return
        if event.key == "escape" and self._reason is not None:
            self._reason = None
            self.refresh(layout=True)
        elif event.key == "escape":
            self.post_message(self.Interrupted())
        elif self._reason is not None:
            self._write_reason(event)
        elif event.key in _SCROLLS and self._hidden_rows:
            self._scroll(_SCROLLS[event.key])
        else:
            decides, self._last_key = self._decides(event), event.time
            if not decides:
                if not event.is_printable and event.key not in ("enter", "backspace", "tab"):
                    return
                self.post_message(self.Passed(event))
        event.stop()
        event.prevent_default()

    def on_paste(self, event: events.Paste) -> None:
        event.stop()
        if self._reason is None:
            self.post_message(self.Passed(event))
        else:
            self._reason += clean(event.text.replace("\n", " "))
            self.refresh(layout=True)

    def _decides(self, event: events.Key) -> bool:
        assert self._asked is not None
        settled = self._painted is not None and event.time - self._painted >= GUARD_SECONDS
        if not settled or event.time - max(self._last_key, self._last_typed()) < GUARD_SECONDS:
            return False
        if event.key == "tab":
            self._reason = ""
            self.refresh(layout=True)
            return True
        if decision := _DECISIONS.get(event.key):
            self.post_message(self.Decided(self._asked.call, decision))
            return True
        return False

    def _write_reason(self, event: events.Key) -> None:
        assert self._asked is not None
        assert self._reason is not None
        if event.key == "enter":
            self.post_message(self.Decided(self._asked.call, "deny", self._reason.strip()))
        elif event.key in ("backspace", "ctrl+h"):
            self._reason = self._reason[:-1]
        elif event.key == "ctrl+u":
            self._reason = ""
        elif event.is_printable and event.character:
            self._reason += event.character
        self.refresh(layout=True)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self._scroll(-1)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self._scroll(1)

    def _scroll(self, rows: int) -> None:
        self._scrolled = max(0, min(self._top + rows, self._hidden_rows))
        self.refresh()

    # --- drawing -----------------------------------------------------------------------------------------------------
    @property
    def caret(self) -> Offset | None:
        """The cell of the caret while a reason is written."""
        if self._reason is None:
            return None
        last = wrapped(f"No, because {self._reason}", self._text_width)
        return Offset(2 + len(last[-1]), self.size.height - 1)

    @property
    def _text_width(self) -> int:
        return max(8, self.size.width - 4)

    @property
    def _hidden_rows(self) -> int:
        width = self.size.width
        return max(0, len(self._body(width)) - max(1, self._rows_limit - 1 - len(self._choices(width))))

    @property
    def _top(self) -> int:
        """The first row shown; until somebody scrolls, such that a change is among those that fit."""
        hidden, body = self._hidden_rows, self._body(self.size.width)
        if self._scrolled is not None:
            return min(self._scrolled, hidden)
        marks = [index for index, row in enumerate(body) if row[-1][1] in (self._palette.good, self._palette.bad)]
        fits = not marks or marks[0] < len(body) - hidden - 1
        return 0 if fits else min(marks[0] - 1, hidden)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        if self._asked is None:
            return 0
        return min(self._rows_limit, 1 + len(self._body(width)) + len(self._choices(width)))

    def render_line(self, y: int) -> Strip:
        width, palette = self.size.width, self._palette
        if self._asked is None:
            return line(width, [])
        choices = self._choices(width)
        if y == 0:
            return self._head(width)
        if y >= self.size.height - len(choices):
            return line(width, choices[y - self.size.height + len(choices)], fill=palette.text)
        body = self._body(width)
        index = self._top + y - 1
        return line(width, body[index] if index < len(body) else [], fill=palette.text)

    def _head(self, width: int) -> Strip:
        assert self._asked is not None
        palette = self._palette
        title = f" {clean(self._asked.preview.title)} "
        above, below = self._top, self._hidden_rows - self._top
        places = ", ".join(f"{count} {where}" for count, where in ((above, "above"), (below, "below")) if count)
        long = f" {many(below, 'line')} below, Up and Down scroll " if not above else f" {places}, Up and Down scroll "
        wordings = (long, f" {places} ", f" {above + below} more ") if places else ("",)
        more = next((words for words in wordings if len(title) + len(words) + 6 <= width), wordings[-1])
        head = [(cut(title, width - len(more) - 6), palette.warn + palette.bold)]
        return rule(width, palette.warn, head, [(more, palette.dim)] if more else [], palette.glyphs.rule)

    def _body(self, width: int) -> list[list[Piece]]:
        """What a short bar must still show comes first: a command before where it runs, a change behind its size."""
        assert self._asked is not None
        preview = self._asked.preview
        if preview.body_kind == "diff":
            return self._told(width) + self._diff(width)
        style = self._palette.text + self._palette.bold
        texts = clean(preview.body).split("\n") if preview.body else []
        lines = [row for text in texts for row in wrapped(text.expandtabs(4), max(8, width - 4))]
        return [[("  ", style), (row, style)] for row in lines] + self._told(width)

    def _told(self, width: int) -> list[list[Piece]]:
        assert self._asked is not None
        palette, preview = self._palette, self._asked.preview
        told = (*preview.lines, *((("because", self._asked.reason),) if self._asked.reason else ()))
        label_width = max((len(label) for label, _ in told), default=0)
        rows: list[list[Piece]] = []
        for label, value in told:
            for index, text in enumerate(wrapped(clean(from_home(value)), max(8, width - label_width - 7))):
                head = clean(label).ljust(label_width) if index == 0 else " " * label_width
                rows.append([("  ", palette.text), (head, palette.dim), ("   ", palette.text), (text, palette.text)])
        return rows

    def _diff(self, width: int) -> list[list[Piece]]:
        """The diff without its two lines of file names: the title asks about the file."""
        assert self._asked is not None
        palette = self._palette
        texts = clean(self._asked.preview.body).split("\n")
        if texts[0].startswith("--- ") and texts[1:2] and texts[1].startswith("+++ "):
            texts = texts[2:]
        rows: list[list[Piece]] = []
        for text in texts:
            style = {"+": palette.good, "-": palette.bad, "@": palette.dim}.get(text[:1], palette.text)
            rows += [[("  ", palette.text), (piece, style)] for piece in wrapped(text.expandtabs(4), max(8, width - 4))]
        return rows

    def _choices(self, width: int) -> list[list[Piece]]:
        palette = self._palette
        if self._reason is not None:
            lines = wrapped(f"No, because {self._reason}", self._text_width)
            return [[("  ", palette.text), (text, palette.text)] for text in lines]
        choices = (("y", "once"), ("s", "this session"), ("n", "no"), ("Tab", "no, because..."), ("Esc", "stop"))
        rows: list[list[Piece]] = [[]]
        used = 0
        for key, word in choices:
            size = len(key) + len(word) + 5
            if used + size > width - 1 and rows[-1]:
                rows.append([])
                used = 0
            rows[-1] += [
                ("  " if not rows[-1] else "    ", palette.text),
                (key, palette.accent + palette.bold),
                (f" {word}", palette.text),
            ]
            used += size
        return rows
