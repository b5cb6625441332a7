"""The decision bar: the whole of what is about to happen, then the choices; a stray key never decides."""

import sys
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Literal

from textual import events
from textual.geometry import Offset, Size
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from flowchat.transcript.clean import clean
from flowchat.transcript.entries import CallId
from flowchat.transcript.events import ApprovalAsked
from flowchat.ui.figures import many
from flowchat.ui.keymap import DEFAULT, Keymap
from flowchat.ui.palette import Palette
from flowchat.ui.prose import Row
from flowchat.ui.question import Question, lay_out, lay_out_lasting
from flowchat.ui.strips import cut, line, rule
from flowchat.ui.wrapping import cells, rows_of

GUARD_SECONDS = 0.3
"""A key decides only this long after the bar was painted, and after the last key typed, here or into the composer."""
ROOM_FOR_CONTEXT = 4
"""Rows a body must have for the row above a change to stand there too."""
Decision = Literal["once", "session", "local", "user", "deny"]
_DECISIONS: dict[str, Decision] = {"once": "once", "session": "session", "deny": "deny"}
_PLACES: dict[str, Literal["local", "user"]] = {"local": "local", "user": "user"}
_SCROLLS = {"up": -1, "down": 1, "first": -sys.maxsize, "last": sys.maxsize}
"""Rows by act."""


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

    def __init__(self, palette: Palette, last_typed: Callable[[], float], keymap: Keymap = DEFAULT) -> None:
        """`last_typed`: when a key was last typed into the composer, in the clock of events."""
        super().__init__()
        self._palette, self._last_typed = palette, last_typed
        self._keymap, self._acts = keymap, keymap.acts("approval")
        self._asked: ApprovalAsked | None = None
        self._painted: float | None = None
        self._last_key = float("-inf")
        self._reason: str | None = None
        self._is_keeping = False
        """Whether the rule is shown that would be kept."""
        self._scrolled: int | None = None
        self._rows_limit = 12
        self._laid: tuple[int, Question] | None = None

    @property
    def asked(self) -> ApprovalAsked | None:
        return self._asked

    def show(self, asked: ApprovalAsked | None) -> None:
        """Ask, or (None) go away."""
        self._asked, self._reason, self._scrolled, self._painted = asked, None, None, None
        self._last_key, self._laid, self._is_keeping = float("-inf"), None, False
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
        self._palette, self._laid = palette, None
        self.refresh()

    def _note_painted(self, asked: ApprovalAsked) -> None:
        if self._asked is asked:
            self._painted = time.monotonic()

    # --- keys --------------------------------------------------------------------------------------------------------
    def on_key(self, event: events.Key) -> None:
        if self._asked is None:
            return
        act = self._acts.get(event.key, "")
        if act == "stop" and (self._reason is not None or self._is_keeping):
            self._reason = None
            self._show_lasting(False)
        elif act == "stop":
            self.post_message(self.Interrupted())
        elif self._reason is not None:
            self._write_reason(event)
        elif self._is_keeping and act not in _SCROLLS:
            self._choose_place(act, event.time)
        elif act in _SCROLLS and self._hidden_rows:
            self._scroll(_SCROLLS[act])
        else:
            decides, self._last_key = self._decides(act, event.time), event.time
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

    def _decides(self, act: str, at: float) -> bool:
        assert self._asked is not None
        settled = self._painted is not None and at - self._painted >= GUARD_SECONDS
        if not settled or at - max(self._last_key, self._last_typed()) < GUARD_SECONDS:
            return False
        if act == "because":
            self._reason = ""
            self.refresh(layout=True)
            return True
        if act == "always" and self._asked.lasting is not None:
            self._show_lasting(True)
            return True
        if act == "session" and not self._asked.grant:
            return False
        if decision := _DECISIONS.get(act):
            self.post_message(self.Decided(self._asked.call, decision))
            return True
        return False

    def _show_lasting(self, whether: bool) -> None:
        if whether != self._is_keeping:
            self._is_keeping, self._laid, self._scrolled = whether, None, None
        self.refresh(layout=True)

    def _choose_place(self, act: str, at: float) -> None:
        """Where the rule is kept, by a key struck once it could be read; no other key does anything here."""
        assert self._asked is not None
        seen, self._last_key = at - self._last_key >= GUARD_SECONDS, at
        lasting = self._asked.lasting
        if seen and lasting is not None and act in {scope for scope, _ in lasting.places}:
            self.post_message(self.Decided(self._asked.call, _PLACES[act]))

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
        width = self._text_width(self.size.width)
        return Offset(2 + min(cells(_reason_rows(self._reason, width)[-1]), width), self.size.height - 2)

    @staticmethod
    def _text_width(width: int) -> int:
        return max(8, width - 4)

    def _question(self, width: int) -> Question:
        """The question's rows, laid out once for a width."""
        assert self._asked is not None
        if self._laid is None or self._laid[0] != width:
            lasting = self._asked.lasting if self._is_keeping else None
            if lasting is not None:
                self._laid = (width, lay_out_lasting(lasting, width, self._palette, self._keymap))
            else:
                self._laid = (width, lay_out(self._asked, width, self._palette, self._keymap))
        return self._laid[1]

    def _foot(self, width: int) -> list[Row]:
        """What stands below the body and does not scroll; the choices, or the reason's end, are the last to go."""
        question, palette = self._question(width), self._palette
        rows = question.choices
        if self._reason is not None:
            texts = _reason_rows(self._reason, self._text_width(width))
            rows = [[("  ", palette.text), (text, palette.text)] for text in texts]
            rows.append([("  ", palette.text), (f"Enter deny   {self._keymap.name('approval', 'stop')} back", palette.dim)])
        return [*question.always, *rows][-max(1, self._rows_limit - 2) :]

    @property
    def _hidden_rows(self) -> int:
        width = self.size.width
        return max(0, len(self._question(width).body) - max(1, self._rows_limit - 1 - len(self._foot(width))))

    @property
    def _top(self) -> int:
        """The first row shown; before any scrolling, such that a change is among those that fit, and what stands above it."""
        hidden, question = self._hidden_rows, self._question(self.size.width)
        if self._scrolled is not None:
            return min(self._scrolled, hidden)
        room = len(question.body) - hidden
        above = 1 if room >= ROOM_FOR_CONTEXT else 0
        return 0 if question.change < room - 1 else max(0, min(question.change - above, hidden))

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        if self._asked is None:
            return 0
        return min(self._rows_limit, 1 + len(self._question(width).body) + len(self._foot(width)))

    def render_line(self, y: int) -> Strip:
        width, palette = self.size.width, self._palette
        if self._asked is None:
            return line(width, [])
        question, foot = self._question(width), self._foot(width)
        if y == 0:
            return self._head(question.title, width)
        if y >= self.size.height - len(foot):
            return line(width, foot[y - self.size.height + len(foot)], fill=palette.text)
        index = self._top + y - 1
        return line(width, question.body[index] if index < len(question.body) else [], fill=palette.text)

    def _head(self, title: str, width: int) -> Strip:
        palette, title = self._palette, f" {title} "
        above, below = self._top, self._hidden_rows - self._top
        places = ", ".join(f"{count} {where}" for count, where in ((above, "above"), (below, "below")) if count)
        scroll = " and ".join(filter(None, (self._keymap.name("approval", "up"), self._keymap.name("approval", "down"))))
        long = f" {many(below, 'line')} below, {scroll} scroll " if not above else f" {places}, {scroll} scroll "
        wordings = (long, f" {places} ", f" {above + below} more ") if places else ("",)
        more = next((words for words in wordings if len(title) + len(words) + 6 <= width), wordings[-1])
        head = [(cut(title, width - len(more) - 6), palette.warn + palette.bold)]
        return rule(width, palette.warn, head, [(more, palette.dim)] if more else [], palette.glyphs.rule)


@lru_cache(maxsize=2)
def _reason_rows(reason: str, width: int) -> tuple[str, ...]:
    """What is being written, as the composer breaks it."""
    text = f"No, because {reason}"
    return tuple(text[start:end] for start, end in rows_of(text, width))
