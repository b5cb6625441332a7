"""The blocks of a conversation but for tool panels: what was said, thought, noticed; each draws itself for a width."""

from collections.abc import Sequence
from typing import Literal, Protocol, TypeAlias

from msgspec import Struct
from rich.style import Style
from textual.strip import Strip

from flowchat.agent.items import NOTHING, Chosen
from flowchat.transcript.clean import Cleaner, clean
from flowchat.ui.figures import seconds
from flowchat.ui.keymap import DEFAULT, Keymap
from flowchat.ui.markdown import Line, MarkdownFlow
from flowchat.ui.palette import Glyphs, Palette, Role
from flowchat.ui.prose import Row, gutter_strip, one_line, strip_of, text_width, wrap, wrap_text
from flowchat.ui.strips import Piece, cut

USER_ROWS = 30
"""A longer user message is folded to USER_ROWS_FOLDED rows."""
USER_ROWS_FOLDED = 12
_TENTH_LIMIT_MS = 10_000

Kind: TypeAlias = Literal["user", "answer", "quiet", "note", "mark"]
"""Decides about the blank row between two blocks: quiet lines stand together, and so do notes, and marks."""

Fold: TypeAlias = Literal["line", "preview", "whole"] | bool | None
"""How much of a block shows because it was folded or unfolded by hand; None: as much as of all."""


class Look(Struct, frozen=True):
    """How to draw: `width` of the pane in cells; `unfolded`: what holds for calls and thoughts not folded by hand.

    `items`: what is set of single items of the conversation.
    """

    width: int
    palette: Palette
    unfolded: bool = False
    keymap: Keymap = DEFAULT
    items: Chosen = NOTHING


class Block(Protocol):
    """Something the reader can choose. `version` changes with whatever `draw` depends on beside the look."""

    kind: Kind
    version: int
    by_hand: Fold
    """What it was before `fold` can be set again."""

    @property
    def source(self) -> str:
        """What is copied: the text as it was written, without the marks of the screen."""
        ...

    @property
    def searched(self) -> str:
        """What a search looks through: the source, and what else is to be read here when it is unfolded."""
        ...

    @property
    def failed(self) -> bool:
        """Whether it tells of an error."""
        ...

    @property
    def moves(self) -> bool:
        """Whether something here is going on, so that `tick` matters."""
        ...

    def draw(self, look: Look) -> Sequence[Line]: ...

    def fold(self, look: Look) -> bool:
        """Fold if unfolded, unfold if folded; False where there is nothing to fold."""
        ...

    def tick(self, now: float, beat: int) -> None:
        """Time goes on: `now` in monotonic seconds, `beat` counts turns of the running glyph."""
        ...


def is_apart(above: Kind, below: Kind) -> bool:
    """Whether a blank row stands between two blocks."""
    return not (above == below and above in ("quiet", "note", "mark"))


def duration(ms: int) -> str:
    """31 ms, 6 s, 1.4 s, 2 min."""
    if ms < 1000:
        return f"{ms} ms"
    if ms < _TENTH_LIMIT_MS and ms % 1000 >= 50:
        return f"{ms / 1000:.1f} s".replace(".0", "")
    return seconds(ms / 1000)


def barred(text: str, palette: Palette, width: int, style: Style | None = None) -> list[Row]:
    """Text after a thin bar, two cells further in than what it belongs to."""
    bar: Piece = (f"  {palette.glyphs.bar} ", palette.dim)
    return [[bar, *row] for row in wrap_text(text, style or palette.dim, max(1, width - 4))]


class Said:
    """A message of the user, as it was written."""

    kind: Kind = "user"
    failed = moves = False

    def __init__(self, text: str, attached: Sequence[str] = ()) -> None:
        self.version = 0
        self._text, self._attached = clean(text), [one_line(name) for name in attached]
        self.by_hand: Fold = False

    @property
    def source(self) -> str:
        return self._text

    @property
    def searched(self) -> str:
        return "\n".join([self._text, *self._attached])

    def draw(self, look: Look) -> Sequence[Line]:
        palette = look.palette
        width = text_width(look.width)
        rows = wrap_text(self._text.strip("\n"), palette.text, width) if self._text else []
        if len(rows) > USER_ROWS and not self.by_hand:
            hidden = len(rows) - USER_ROWS_FOLDED
            rows = [*rows[:USER_ROWS_FOLDED], [(f"{palette.glyphs.folded} {hidden:,} more rows", palette.dim)]]
        rows += [[(cut(f"[{name}]", width), palette.dim)] for name in self._attached]
        mark: Piece = (f"{palette.glyphs.user} ", palette.accent)
        return [strip_of([mark, *row], look.width) for row in rows or [[]]]

    def fold(self, look: Look) -> bool:
        if len(wrap_text(self._text.strip("\n"), look.palette.text, text_width(look.width))) <= USER_ROWS:
            return False
        self.by_hand = not self.by_hand
        self.version += 1
        return True

    def tick(self, now: float, beat: int) -> None:
        """Nothing moves here."""


class Answer:
    """Text of the model: markdown that may still grow."""

    kind: Kind = "answer"
    failed = moves = False

    def __init__(self, text: str = "", whole: bool = False) -> None:
        self.version = 0
        self.by_hand: Fold = None
        self._text: str = clean(text)
        self._more: list[str] = []
        self._cleaner = Cleaner()
        self._whole = whole
        self._flow: MarkdownFlow | None = None
        self._drawn_for: tuple[int, Palette] | None = None

    @property
    def source(self) -> str:
        return self._text + "".join(self._more)

    searched = source

    def grow(self, text: str) -> None:
        """Take the next piece as it came."""
        self._more.append(self._cleaner.feed(text))
        self.version += 1

    def end(self) -> None:
        """There is no more."""
        self._more.append(self._cleaner.finish())
        self._whole = True
        self.version += 1

    def draw(self, look: Look) -> Sequence[Line]:
        more = "".join(self._more)
        self._text += more
        self._more.clear()
        if self._flow is None or self._drawn_for != (look.width, look.palette):
            self._flow, more = MarkdownFlow(look.width, look.palette), self._text
            self._drawn_for = (look.width, look.palette)
        if more:
            self._flow.feed(more)
        if self._whole:
            self._flow.finish()
        return self._flow.lines

    def fold(self, look: Look) -> bool:
        return False

    def tick(self, now: float, beat: int) -> None:
        """Nothing moves here."""


class Thought:
    """The model's reasoning, folded to how long it took; `ms` None while it goes on."""

    kind: Kind = "quiet"
    failed = False

    def __init__(self, text: str = "", ms: int | None = None, began: float = 0.0) -> None:
        self.version = 0
        self._pieces: list[str] = [clean(text)]
        self._cleaner = Cleaner()
        self._ms, self._began = ms, began
        self._now, self._beat = began, 0
        self.by_hand: Fold = None
        self._shows = False

    @property
    def moves(self) -> bool:
        return self._ms is None

    @property
    def source(self) -> str:
        return "".join(self._pieces)

    searched = source

    def grow(self, text: str) -> None:
        self._pieces.append(self._cleaner.feed(text))
        self.version += self._shows

    def keep_fold(self, other: "Thought") -> None:
        """Stay folded or unfolded as the thought in whose place this one comes."""
        self.by_hand = other.by_hand

    def follow(self) -> None:
        """Be folded as all are."""
        self.by_hand = None
        self.version += 1

    def end(self, ms: int) -> None:
        """The thought is over; it took so long."""
        self._ms = ms
        self.version += 1

    def stop(self, now: float) -> None:
        """Something else came: over as far as one can tell here."""
        if self._ms is None:
            self.end(round((now - self._began) * 1000))

    def tick(self, now: float, beat: int) -> None:
        self._now, self._beat = now, beat
        self.version += 1

    def fold(self, look: Look) -> bool:
        self.by_hand = not self._is_unfolded(look)
        self.version += 1
        return True

    def draw(self, look: Look) -> Sequence[Line]:
        palette, glyphs = look.palette, look.palette.glyphs
        self._shows = self._is_unfolded(look)
        if self._ms is None:
            turn = glyphs.running[self._beat % len(glyphs.running)]
            row: Row = [(turn, palette.accent), (f" thinking  {seconds(self._now - self._began)}", palette.dim)]
        else:
            words = f"thought for {duration(self._ms)}" if self._ms else "thought"
            row = [(f"{glyphs.open if self._shows else glyphs.folded} {words}", palette.dim)]
        rows = [row]
        if self._shows:
            rows += barred(self.source.strip("\n"), palette, text_width(look.width))
        return [gutter_strip(row, look.width) for row in rows]

    def _is_unfolded(self, look: Look) -> bool:
        return look.unfolded if self.by_hand is None else bool(self.by_hand)


class NoteText(Struct, frozen=True):
    """What a note says: `glyph` (a field of Glyphs) and `word` the state, `text` the rest; `body` shows when it is unfolded."""

    text: str
    word: str = ""
    glyph: str = ""
    role: Role = "dim"
    body: str = ""
    is_markdown: bool = False
    kind: Kind = "note"


class Note:
    """A quiet line between what was said: a notice, the end of a run, a checkpoint, what was put into the context."""

    moves = False

    def __init__(self, note: NoteText) -> None:
        self.kind: Kind = note.kind
        self.version = 0
        self._note = note
        self.by_hand: Fold = False

    @property
    def source(self) -> str:
        note = self._note
        return clean(note.body or " ".join(part for part in (note.word, note.text) if part))

    @property
    def searched(self) -> str:
        note = self._note
        return clean("\n".join((f"{note.word}  {one_line(note.text)}", note.body)))

    @property
    def failed(self) -> bool:
        return self._note.role == "bad"

    def fold(self, look: Look) -> bool:
        if not self._note.body:
            return False
        self.by_hand = not self.by_hand
        self.version += 1
        return True

    def tick(self, now: float, beat: int) -> None:
        """Nothing moves here."""

    def draw(self, look: Look) -> Sequence[Line]:
        note, palette = self._note, look.palette
        width = text_width(look.width)
        mark = f"{_glyph(palette.glyphs, note.glyph)} " if note.glyph else ""
        word = f"{note.word}  " if note.word and note.text else note.word
        first: Row = [(word, palette.role(note.role)), (one_line(note.text), palette.dim)]
        if note.body:
            first = [*first, (f"  {palette.glyphs.open if self.by_hand else palette.glyphs.folded}", palette.dim)]
        rows: list[Row] = []
        for number, row in enumerate(wrap(first, max(1, width - len(mark)))):
            rows.append([(mark if number == 0 else " " * len(mark), palette.role(note.role)), *row])
        strips: list[Line] = [gutter_strip(row, look.width) for row in rows]
        return [*strips, *self._body(look)] if self.by_hand else strips

    def _body(self, look: Look) -> list[Strip]:
        palette = look.palette
        if not self._note.is_markdown:
            return [gutter_strip(row, look.width) for row in barred(clean(self._note.body), palette, text_width(look.width))]
        flow = MarkdownFlow(max(8, look.width - 4), palette)
        flow.feed(clean(self._note.body))
        flow.finish()
        bar: Row = [(f"    {palette.glyphs.bar}", palette.dim)]
        return [
            strip_of([*bar, *((text, style or palette.text) for text, style, _ in flow.strip(number))], look.width)
            for number in range(len(flow.lines))
        ]


def _glyph(glyphs: Glyphs, name: str) -> str:
    return getattr(glyphs, name)
