"""Where a conversation is folded: each checkpoint is a line between what it covers, above it, and what is kept."""

from collections.abc import Sequence

from flowchat.agent.todo import folded_with
from flowchat.transcript.clean import clean
from flowchat.transcript.entries import Compacted, CompactionUndone, Edited, Record, Seq, ToolAnswered
from flowchat.transcript.todo import TodoList, open_items
from flowchat.ui.blocks import Block, Fold, Kind, Look, Note, NoteText
from flowchat.ui.figures import many, size
from flowchat.ui.markdown import Line
from flowchat.ui.passages import Passage
from flowchat.ui.prose import Row, gutter_strip, one_line, row_cells, text_width, wrap

_MESSAGES = ("user_said", "assistant_said")


class FoldLine:
    """A checkpoint's line. While it is closed nothing that it covers shows; one in force is closed until it is unfolded."""

    kind: Kind = "mark"
    failed = moves = False

    def __init__(self, made: Compacted, messages: int, todo: TodoList) -> None:
        """`messages`: how many it covers; `todo`: the list it carries."""
        self.version = 0
        self.by_hand: Fold = None
        self._in_force = False
        self._told = told_instead(made, todo)
        self._words = f"{many(messages, 'message')}, {size(made.tokens_before)} -> {size(made.tokens_after)} tokens"
        held = ((made.directives, "directive"), (made.pinned, "pinned line"), (open_items(todo), "todo item"))
        kept = [many(len(lines), noun) for lines, noun in held if lines]
        self._words += f", kept {_enumerated(kept)}" if kept else ""

    @property
    def is_closed(self) -> bool:
        return self._in_force if self.by_hand is None else not self.by_hand

    @property
    def is_in_force(self) -> bool:
        """Whether it shapes what the model sees."""
        return self._in_force

    def be_in_force(self, whether: bool) -> None:
        """It shapes what the model sees, or does no more; what was done by hand before is over."""
        if whether != self._in_force:
            self._in_force, self.by_hand = whether, None
            self.version += 1

    @property
    def source(self) -> str:
        return clean(self._told)

    @property
    def searched(self) -> str:
        return f"compacted  {self._words}"

    def fold(self, look: Look) -> bool:
        self.by_hand = self.is_closed
        self.version += 1
        return True

    def tick(self, now: float, beat: int) -> None:
        """Nothing moves here."""

    def draw(self, look: Look) -> Sequence[Line]:
        palette, glyphs = look.palette, look.palette.glyphs
        row: Row = [
            (f"{glyphs.checkpoint} compacted  ", palette.accent),
            (f"{self._words}  {glyphs.folded if self.is_closed else glyphs.open}", palette.dim),
        ]
        *rows, last = wrap(row, text_width(look.width))
        if not self.is_closed:
            last = [*last, (" " + glyphs.rule * (text_width(look.width) - row_cells(last) - 1), palette.dim)]
        return [gutter_strip(row, look.width) for row in (*rows, last)]


def told_instead(made: Compacted, todo: TodoList) -> str:
    """What a checkpoint tells the model of what it covers, as markdown; of files their names."""
    lists = {
        "User directives": made.directives,
        "Todo": [item.text + (" (now)" if item.status == "in_progress" else "") for item in open_items(todo)],
        "Pinned": made.pinned,
        "Files": [f"{copy.path}, from line {copy.first_line}" for copy in made.files],
        "References": made.references,
    }
    added = [f"## {title}\n" + "\n".join(f"- {one_line(line)}" for line in lines) for title, lines in lists.items() if lines]
    return "\n\n".join(filter(None, [made.summary, *added]))


def _enumerated(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


class _Made:
    """A checkpoint with its line and where that stands."""

    def __init__(self, record: Record, made: Compacted, messages: int, place: int, todo: TodoList) -> None:
        self.seq, self.upto, self.messages, self.place = record.seq, made.upto, messages, place
        told, body = "what the model reads in their place", told_instead(made, todo)
        summary = NoteText(told, "summary", "waiting", body=body, is_markdown=True, kind="mark")
        self.line = FoldLine(made, messages, todo)
        self.blocks: list[Block] = [self.line, Note(summary)]
        self.passage = Passage(record, self.blocks)


class Checkpoints:
    """Those of one branch. What is closed is a beginning of it, so one number says what shows."""

    def __init__(self) -> None:
        self._made: list[_Made] = []
        self._beside: dict[Passage, Seq] = {}
        """What is no node's, and the node it stands behind."""
        self._undone: set[Seq] = set()
        self._edits: list[tuple[Seq, Seq]] = []

    def clear(self) -> None:
        self._made, self._beside, self._undone, self._edits = [], {}, set(), []

    @property
    def first(self) -> int:
        """The number of the first passage that shows."""
        return next((made.place for made in reversed(self._made) if made.passage.blocks and made.line.is_closed), 0)

    def covers(self, line: FoldLine, place: int) -> bool:
        """Whether a line stands behind the passage with this number."""
        return any(made.line is line and made.place > place for made in self._made)

    def closed(self, place: int) -> list[FoldLine]:
        """The closed lines that keep the passage with this number from showing."""
        return [made.line for made in self._made if made.place > place and made.passage.blocks and made.line.is_closed]

    def add(self, record: Record, made: Compacted, passages: list[Passage], listed: Record | None) -> None:
        """Place a checkpoint's line behind the last passage it covers. `listed`: the last answer that gave a todo list."""
        place = self._behind(passages, made.upto)
        above = max((known for known in self._made if known.place < place), key=lambda known: known.place, default=None)
        start, messages = (above.place, above.messages) if above else (0, 0)
        messages += sum(_type(passage) in _MESSAGES for passage in passages[start:place])
        for known in self._made:
            known.place += known.place >= place
        answered = listed.entry if listed is not None else None
        todo = folded_with(answered, made.upto) if isinstance(answered, ToolAnswered) else ()
        added = _Made(record, made, messages, place, todo)
        passages.insert(place, added.passage)
        self._beside[added.passage] = made.upto
        self._made.append(added)
        self._made.sort(key=lambda known: known.place)
        self._settle()

    def undo(self, entry: CompactionUndone, passage: Passage, node: Seq) -> None:
        """One is undone, or put back; `passage` says so behind a node."""
        self._beside[passage] = node
        (self._undone.add if entry.undone else self._undone.discard)(entry.checkpoint)
        self._settle()

    def edit(self, seq: Seq, edited: Edited) -> None:
        """A message reads otherwise: what a checkpoint before says of it is not so any more."""
        self._edits.append((seq, edited.target))
        self._settle()

    def _behind(self, passages: Sequence[Passage], upto: Seq) -> int:
        """The place behind the last passage that stands at or before a node."""
        place = len(passages)
        while place > 0 and not self._is_covered(passages[place - 1], upto):
            place -= 1
        return place

    def _is_covered(self, passage: Passage, upto: Seq) -> bool:
        node = self._beside.get(passage)
        return passage.record is not None and (passage.record.seq if node is None else node) <= upto

    def _settle(self) -> None:
        """The deepest that holds, of two as deep the later, is in force; what holds no more is not to be seen."""
        holding = [made for made in self._made if self._holds(made)]
        in_force = max(holding, key=lambda made: (made.upto, made.seq), default=None)
        for made in self._made:
            made.line.be_in_force(made is in_force)
            made.passage.show(made.blocks if made in holding else [])

    def _holds(self, made: _Made) -> bool:
        if made.seq in self._undone:
            return False
        return not any(seq > made.seq and target <= made.upto for seq, target in self._edits)


def _type(passage: Passage) -> str:
    return passage.record.type if passage.record is not None else ""
