"""One call's panel: a quiet line with its state, and below it the diff, the live output, or all that came back."""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from flowchat.transcript.clean import Cleaner, clean
from flowchat.transcript.entries import AnswerStatus, ToolAnswered
from flowchat.transcript.todo import TodoList
from flowchat.ui.blocks import Fold, Kind, Look, barred, duration
from flowchat.ui.calls import main_argument, read_arguments, short_name
from flowchat.ui.diffs import changes, diff_rows, read_diff
from flowchat.ui.figures import seconds
from flowchat.ui.markdown import Line
from flowchat.ui.palette import Role
from flowchat.ui.prose import Row, code_width, gutter_strip, one_line, row_cells, text_width, wrapped
from flowchat.ui.strips import Piece, cut
from flowchat.ui.todo_rows import as_markdown, item_rows

NAME_CELLS = 6
"""Names of tools are filled up to this, so that arguments stand in one column."""
DURATION_CELLS = 6
FAILURE_ROWS = 3
"""Of what went wrong, under the line; unfolding shows all that came back."""
DIFF_ROWS = 16
"""Of a longer diff the first so many rows show; unfolding shows the rest."""
LIVE_ROWS = 3
"""Rows of output shown while a call runs, ..."""
LIVE_ROWS_UNFOLDED = 200
"""... and when it is unfolded."""
LIVE_LIMIT_CHARS = 64 * 1024
"""Of live output the end is kept; the whole is in the answer."""

Level = Literal["line", "preview", "whole"]
Stage = Literal["writing", "waiting", "running", "cut"]


class _Sign(Struct, frozen=True):
    glyph: str
    word: str
    role: Role


_STAGES: dict[Stage | AnswerStatus, _Sign] = {
    "writing": _Sign("waiting", "writing", "dim"),
    "waiting": _Sign("waiting", "waiting", "dim"),
    "running": _Sign("running", "running", "accent"),
    "cut": _Sign("failed", "cut off", "dim"),
    "ok": _Sign("done", "", "good"),
    "error": _Sign("failed", "failed", "bad"),
    "denied": _Sign("denied", "denied", "warn"),
    "interrupted": _Sign("interrupted", "interrupted", "warn"),
    "not_run": _Sign("denied", "not run", "dim"),
    "unknown": _Sign("interrupted", "outcome unknown", "warn"),
}


class Panel:
    """A call from its first written character to its answer. `tool` and `args` are as the model wrote them."""

    kind: Kind = "quiet"

    def __init__(self, tool: str, args: str, stage: Stage) -> None:
        self.version = 0
        self._tool, self._args = tool, args
        self._stage: Stage = stage
        self._answer: ToolAnswered | None = None
        self.by_hand: Fold = None
        self._began = self._now = 0.0
        self._beat = 0
        self._cleaner = Cleaner(drop_colours=True)
        self._output, self._lines_gone = "", 0

    # --- what happens to the call ------------------------------------------------------------------------------------
    def write(self, tool: str, args: str) -> None:
        """The next piece of the call as the model writes it."""
        self._tool, self._args = self._tool or tool, self._args + args
        self.version += 1

    def start(self, now: float) -> None:
        self._stage, self._began, self._now = "running", now, now
        self.version += 1

    def put_out(self, text: str) -> None:
        """The next piece of live output."""
        if self._answer is not None:
            return
        output = self._output + self._cleaner.feed(text)
        if len(output) > LIVE_LIMIT_CHARS:
            gone = output.rfind("\n", 0, len(output) - LIVE_LIMIT_CHARS // 2) + 1 or len(output) - LIVE_LIMIT_CHARS // 2
            self._lines_gone += output.count("\n", 0, gone)
            output = output[gone:]
        self._output = output
        self.version += 1

    def answer(self, answered: ToolAnswered) -> None:
        self._answer, self._output = answered, ""
        self.version += 1

    def keep_fold(self, other: "Panel") -> None:
        """Stay folded or unfolded as the panel in whose place this one comes."""
        self.by_hand = other.by_hand

    def follow(self) -> None:
        """Be folded as all panels are."""
        self.by_hand = None
        self.version += 1

    # --- as a block --------------------------------------------------------------------------------------------------
    @property
    def moves(self) -> bool:
        return self._stage == "running" and self._answer is None

    @property
    def source(self) -> str:
        answer = self._answer
        if self._list is not None:
            return as_markdown(self._list)
        return clean(self._args if answer is None else answer.diff or answer.content or answer.summary)

    @property
    def searched(self) -> str:
        answer, argument = self._answer, main_argument(self._tool, self._args)
        command = read_arguments(self._args).get("command")
        parts = [f"{short_name(self._tool)} {argument}"]
        if isinstance(command, str) and "\n" in command:
            parts.append(command)
        if answer is not None:
            body = as_markdown(self._list) if self._list else answer.diff or answer.content
            parts += [f"{self._sign.word} {one_line(answer.summary)}", body]
        return clean("\n".join(parts), drop_colours=True)

    @property
    def failed(self) -> bool:
        return self._sign.role == "bad"

    def tick(self, now: float, beat: int) -> None:
        self._now, self._beat = now, beat
        self.version += 1

    def fold(self, look: Look) -> bool:
        before = len(self.draw(look))
        level = self._level_in(look)
        self.by_hand = "line" if level == "whole" else "whole"
        if level == "preview" and len(self.draw(look)) == before:
            self.by_hand = "line"
        if len(self.draw(look)) == before:
            self.by_hand = level
            return False
        self.version += 1
        return True

    def draw(self, look: Look) -> Sequence[Line]:
        rows = [self._title(look), *self._below(look)]
        return [gutter_strip(row, look.width) for row in rows]

    def _level_in(self, look: Look) -> Level:
        return self.by_hand if isinstance(self.by_hand, str) else "whole" if look.unfolded else "preview"

    # --- the line ----------------------------------------------------------------------------------------------------
    def _title(self, look: Look) -> Row:
        palette, width = look.palette, text_width(look.width)
        sign = self._sign
        glyphs = palette.glyphs
        glyph = glyphs.running[self._beat % len(glyphs.running)] if sign.glyph == "running" else getattr(glyphs, sign.glyph)
        name = cut(short_name(self._tool), 24)
        left: Row = [(f"{glyph} ", palette.role(sign.role)), (f"{name:<{NAME_CELLS}} ", palette.text)]
        room = width - row_cells(left)
        argument = main_argument(self._tool, self._args)
        if self._answer is not None and self._list is not None:
            argument = one_line(self._answer.summary)
        right = self._right(look, room)
        if room - row_cells(right) < min(len(argument), room // 3) + 2:
            right = right[:1]
        argument = cut(argument, max(0, room - row_cells(right) - 2))
        space = max(1, room - row_cells([(argument, palette.text)]) - row_cells(right))
        return [*left, (argument, palette.dim if self._answer else palette.text), (" " * space, palette.text), *right]

    def _right(self, look: Look, room: int) -> list[Piece]:
        """The state's word with the summary, then the time it took."""
        palette, sign, answer = look.palette, self._sign, self._answer
        words = sign.word if answer is None else self._summary(room)
        pieces: list[Piece] = [(cut(words, max(1, room // 2)), palette.dim if sign.role == "good" else palette.role(sign.role))]
        if self.moves:
            pieces.append((f"  {seconds(self._now - self._began):>{DURATION_CELLS}}", palette.dim))
        elif answer is not None and answer.duration_ms:
            pieces.append((f"  {duration(answer.duration_ms):>{DURATION_CELLS}}", palette.dim))
        return pieces

    @property
    def _list(self) -> TodoList | None:
        """The todo list that the answer gives."""
        return None if self._answer is None else self._answer.todo

    @property
    def _sign(self) -> _Sign:
        return _STAGES[self._stage if self._answer is None else self._answer.status]

    def _summary(self, room: int) -> str:
        """The state's word and the summary on one line; the word alone where both are too long and the summary shows below."""
        assert self._answer is not None
        word, summary = self._sign.word, one_line(self._answer.summary)
        if self._list is not None:
            return ""
        if not word:
            return summary or "done"
        return f"{word}  {summary}" if summary and len(word) + 2 + len(summary) <= room // 2 else word

    # --- below it ----------------------------------------------------------------------------------------------------
    def _below(self, look: Look) -> list[Row]:
        level = self._level_in(look)
        if self.moves:
            return self._live(look, LIVE_ROWS_UNFOLDED if level == "whole" else LIVE_ROWS if level == "preview" else 0)
        if level == "line":
            return []
        return self._whole(look) if level == "whole" else self._preview(look)

    def _preview(self, look: Look) -> list[Row]:
        answer = self._answer
        if answer is None:
            return []
        if answer.diff:
            return self._diff(look, answer.diff, whole=False)
        room = text_width(look.width) - NAME_CELLS - 3
        if self._sign.word and answer.summary and one_line(answer.summary) not in self._summary(room):
            return self._barred(look, self._failure(look, text_width(look.width) - 4))
        return []

    def _failure(self, look: Look, width: int) -> list[Row]:
        assert self._answer is not None
        rows = wrapped(one_line(self._answer.summary), width)
        if len(rows) > FAILURE_ROWS:
            rows = [*rows[: FAILURE_ROWS - 1], cut(" ".join(rows[FAILURE_ROWS - 1 :]), width)]
        return [[(row, look.palette.dim)] for row in rows]

    def _whole(self, look: Look) -> list[Row]:
        palette, answer = look.palette, self._answer
        width = code_width(look.width)
        if self._list is not None:
            return self._barred(look, item_rows(self._list, palette, text_width(look.width) - 4))
        command = read_arguments(self._args).get("command")
        rows: list[Row] = []
        if isinstance(command, str) and ("\n" in command or len(command) > width // 2):
            rows += barred(clean(command), palette, width, palette.text)
        elif answer is None or not main_argument(self._tool, self._args):
            rows += barred(clean(self._args), palette, width) if self._args else []
        if answer is not None and answer.diff:
            rows += self._diff(look, answer.diff, whole=True)
        elif answer is not None and answer.content:
            rows += barred(clean(answer.content, drop_colours=True).strip("\n"), palette, width)
        return rows

    def _diff(self, look: Look, diff: str, whole: bool) -> list[Row]:
        lines = read_diff(diff)
        rows = self._barred(look, diff_rows(lines if whole else changes(lines), look.palette, code_width(look.width) - 4))
        if not whole and len(rows) > DIFF_ROWS:
            hidden = len(rows) - DIFF_ROWS + 1
            rows[DIFF_ROWS - 1 :] = self._barred(look, [[(_and_unfold(f"{hidden:,} more rows", look), look.palette.dim)]])
        return rows

    def _live(self, look: Look, limit: int) -> list[Row]:
        lines = self._output.removesuffix("\n").split("\n") if self._output else []
        shown = lines[-limit:] if limit else []
        hidden = self._lines_gone + len(lines) - len(shown)
        width = code_width(look.width) - 4
        rows: list[Row] = [[(cut(line.expandtabs(), width), look.palette.dim)] for line in shown]
        if hidden and limit:
            many = f"{hidden:,} line{'s' * (hidden > 1)} above"
            rows.append([(many if limit == LIVE_ROWS_UNFOLDED else self._above(many, look), look.palette.dim)])
        return self._barred(look, rows)

    def _above(self, hidden: str, look: Look) -> str:
        """What to say of live output that is not shown."""
        return _and_unfold(hidden, look)

    def _barred(self, look: Look, rows: list[Row]) -> list[Row]:
        bar: Piece = (f"  {look.palette.glyphs.bar} ", look.palette.dim)
        return [[bar, *row] for row in rows]


def _and_unfold(hidden: str, look: Look) -> str:
    """What is hidden, and the key that shows it."""
    hint = look.keymap.hint("chat", "unfolds", "fold")
    return f"{hidden}, {hint}" if hint else hidden
