"""The text being written: lines, a caret, undo and what was killed; no screen."""

import re
import unicodedata
from typing import Literal

from flowchat.ui.folds import Folds, around, is_inside

UNDO_LIMIT = 100
"""Steps that can be undone; older ones are forgotten."""
KILLED_LIMIT = 30
"""Killed pieces that can be yanked."""
_APART = r"[^\w\U000f0000-\U0010ffff]"  # the characters of a folded paste are no part of what stands between words
_WORD_AHEAD = re.compile(rf"{_APART}*\w+|{_APART}+$")
_WORD_BEHIND = re.compile(rf"\w+{_APART}*$|{_APART}+$")
_JOINER = "\u200d"
_JOINERS = "\u200c\u200d"

Place = tuple[int, int]
"""A line's number and a character's index in it, both from 0."""
_Snapshot = tuple[tuple[str, ...], Place]
_Act = Literal["", "typing", "kill", "yank", "paste"]
"""What an act that follows at once may go on with."""


class TextBuffer:
    """Text with a caret.

    `lines` never hold a newline, and there is always one; `caret` stands before the character it names and never
    inside a grapheme that one of the moves made.
    """

    def __init__(self) -> None:
        self.lines = [""]
        self.caret: Place = (0, 0)
        self._killed: list[str] = []
        self._folds = Folds()
        self._undo: list[_Snapshot] = []
        self._redo: list[_Snapshot] = []
        self._last: _Act = ""
        self._yanked: tuple[Place, int] = ((0, 0), 0)

    # --- the whole text ----------------------------------------------------------------------------------------------
    @property
    def text(self) -> str:
        """With all of what is folded."""
        return self._folds.whole("\n".join(self.lines))

    @property
    def is_empty(self) -> bool:
        return self.lines == [""]

    def replace(self, text: str) -> None:
        """Put another text in its place, the caret at its end; can be undone."""
        self._keep()
        self.lines = self._folds.folded(text).split("\n")
        self.caret = self._end

    # --- writing -----------------------------------------------------------------------------------------------------
    def insert(self, text: str, typed: bool = False) -> None:
        """Insert at the caret; `typed` joins it with the typing before it, so that a word is undone in one step."""
        joins = typed and self._last == "typing" and not text.isspace()
        if not joins:
            self._keep()
        self._put(text)
        self._last = "typing" if typed else ""

    def paste(self, text: str, goes_on: bool = False) -> bool:
        """Insert at the caret, folded if it is long, which is told; `goes_on`: it is the rest of the paste before."""
        before = around(self.lines[self.caret[0]], self.caret[1]) if goes_on and self._last == "paste" else None
        if before is not None and before[1] == self.caret[1]:
            start = (self.caret[0], before[0])
            self._put(self._folds.grown(self._cut(start, self.caret), text))
        else:
            self._keep()
            self._put(self._folds.fold(text))
        self._last = "paste"
        return around(self.lines[self.caret[0]], self.caret[1]) is not None

    def open_fold(self) -> bool:
        """Show all of the folded paste the caret touches; False if it touches none."""
        row, column = self.caret
        span = around(self.lines[row], column)
        if span is not None:
            self.take_range((row, span[0]), (row, span[1]), self._folds.open(self.lines[row][slice(*span)]))
        return span is not None

    def delete_left(self) -> None:
        self._delete(self._left(), self.caret)

    def delete_right(self) -> None:
        self._delete(self.caret, self._right())

    def kill_word_left(self) -> None:
        self._kill(self._word_left(), self.caret, back=True)

    def kill_word_right(self) -> None:
        self._kill(self.caret, self._word_right())

    def kill_to_line_end(self) -> None:
        """Kill to the end of the line; standing there, the newline."""
        row, column = self.caret
        at_end = column == len(self.lines[row])
        self._kill(self.caret, self._right() if at_end else (row, len(self.lines[row])))

    def kill_to_line_start(self) -> None:
        """Kill to the start of the line; standing there, the newline before it."""
        row, column = self.caret
        self._kill(self._left() if column == 0 else (row, 0), self.caret, back=True)

    def yank(self) -> None:
        """Insert what was killed last."""
        self._yank(1)

    def yank_earlier(self) -> None:
        """Right after a yank: what was killed before that in its place, from the oldest on to the last one again."""
        if self._last == "yank":
            start, back = self._yanked
            self._cut(start, self.caret)
            self._yank(back % len(self._killed) + 1, again=True)

    def transpose(self) -> None:
        """Swap the characters around the caret; at the end of a line the last two."""
        row, column = self.caret
        line = self.lines[row]
        middle = grapheme_before(line, column) if column and column == len(line) else column
        if middle == 0 or not line:
            return
        start, end = grapheme_before(line, middle), grapheme_after(line, middle)
        self.take_range((row, start), (row, end), line[middle:end] + line[start:middle])

    def take_range(self, start: Place, end: Place, text: str) -> None:
        """Put `text` in place of what lies between two places, the caret after it."""
        self._keep()
        self._cut(start, end)
        self._put(text)

    def undo(self) -> None:
        self._swap(self._undo, self._redo)

    def redo(self) -> None:
        self._swap(self._redo, self._undo)

    # --- moving ------------------------------------------------------------------------------------------------------
    def move_left(self) -> None:
        self.move_to(self._left())

    def move_right(self) -> None:
        self.move_to(self._right())

    def move_word_left(self) -> None:
        self.move_to(self._word_left())

    def move_word_right(self) -> None:
        self.move_to(self._word_right())

    def move_line_start(self) -> None:
        self.move_to((self.caret[0], 0))

    def move_line_end(self) -> None:
        self.move_to((self.caret[0], len(self.lines[self.caret[0]])))

    def move_start(self) -> None:
        self.move_to((0, 0))

    def move_end(self) -> None:
        self.move_to(self._end)

    def move_to(self, place: Place) -> None:
        """Put the caret at a place, or the nearest there is."""
        row = max(0, min(place[0], len(self.lines) - 1))
        self.caret = (row, max(0, min(place[1], len(self.lines[row]))))
        self._last = ""

    # --- where moves lead --------------------------------------------------------------------------------------------
    @property
    def _end(self) -> Place:
        return len(self.lines) - 1, len(self.lines[-1])

    def _left(self) -> Place:
        row, column = self.caret
        if column == 0:
            return (row - 1, len(self.lines[row - 1])) if row else (0, 0)
        return row, grapheme_before(self.lines[row], column)

    def _right(self) -> Place:
        row, column = self.caret
        if column == len(self.lines[row]):
            return (row + 1, 0) if row + 1 < len(self.lines) else self.caret
        return row, grapheme_after(self.lines[row], column)

    def _word_left(self) -> Place:
        row, column = self.caret
        if column == 0:
            return self._left()
        found = _WORD_BEHIND.search(self.lines[row][max(0, column - 512) : column])
        return (row, column - len(found.group())) if found else self._left()

    def _word_right(self) -> Place:
        row, column = self.caret
        if column == len(self.lines[row]):
            return self._right()
        found = _WORD_AHEAD.match(self.lines[row], column)
        return (row, found.end()) if found else self._right()

    # --- changing ----------------------------------------------------------------------------------------------------
    def _put(self, text: str) -> None:
        row, column = self.caret
        line = self.lines[row]
        pieces = text.split("\n")
        pieces[0] = line[:column] + pieces[0]
        end = len(pieces[-1])
        pieces[-1] += line[column:]
        self.lines[row : row + 1] = pieces
        self.caret = (row + len(pieces) - 1, end)

    def _cut(self, start: Place, end: Place) -> str:
        (row, column), (last, stop) = start, end
        gone = self.lines[row : last + 1]
        joined = self.lines[row][:column] + self.lines[last][stop:]
        gone[-1] = gone[-1][:stop]
        gone[0] = gone[0][column:]
        self.lines[row : last + 1] = [joined]
        self.caret = start
        return "\n".join(gone)

    def _delete(self, start: Place, end: Place) -> None:
        if start < end:
            self._keep()
            self._cut(start, end)

    def _kill(self, start: Place, end: Place, back: bool = False) -> None:
        """Cut it to where yanks find it: pieces that are killed one right after the other are one."""
        if start >= end:
            return
        joins = self._last == "kill"
        self._keep()
        gone, before = self._cut(start, end), self._killed.pop() if joins else ""
        self._killed.append(gone + before if back else before + gone)
        del self._killed[:-KILLED_LIMIT]
        self._last = "kill"

    def _yank(self, back: int, again: bool = False) -> None:
        if not self._killed:
            return
        if not again:
            self._keep()
        self._yanked = self.caret, back
        self._put(self._killed[-back])
        self._last = "yank"

    def _keep(self) -> None:
        """Remember the text as it stands, so that the change that follows can be undone."""
        self._undo.append((tuple(self.lines), self.caret))
        del self._undo[:-UNDO_LIMIT]
        self._redo.clear()
        self._last = ""

    def _swap(self, out: list[_Snapshot], into: list[_Snapshot]) -> None:
        if out:
            into.append((tuple(self.lines), self.caret))
            lines, self.caret = out.pop()
            self.lines = list(lines)
            self._last = ""


def grapheme_before(line: str, column: int) -> int:
    """Where the grapheme that ends at `column` begins."""
    column -= 1
    while column > 0 and (_extends(line[column]) or line[column - 1] == _JOINER):
        column -= 1
    return max(0, column)


def grapheme_after(line: str, column: int) -> int:
    """Where the grapheme that begins at `column` ends."""
    column += 1
    while column < len(line) and (_extends(line[column]) or line[column - 1] == _JOINER):
        column += 1
    return min(column, len(line))


def _extends(character: str) -> bool:
    """Whether a character belongs to the one before it: marks, joiners, skin tones, parts of a syllable, folded pastes."""
    if character < "\u0300":
        return False
    return (
        character in _JOINERS
        or "\u1160" <= character <= "\u11ff"
        or "\U0001f3fb" <= character <= "\U0001f3ff"
        or is_inside(character)
        or unicodedata.category(character) in ("Mn", "Me", "Mc")
    )
