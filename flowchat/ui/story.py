"""The passages of one branch in order: records and deltas in, rows out. Knows nothing of what is in view."""

from collections.abc import Sequence
from typing import TypeAlias

from textual.strip import Strip

from flowchat.transcript.entries import TYPES, AssistantSaid, CallId, Compacted, CompactionUndone, Edited, Record, Seq
from flowchat.transcript.events import CallDelta, TextDelta, ThinkingDelta
from flowchat.ui.blocks import Block, Look, Thought, is_apart
from flowchat.ui.checkpoints import Checkpoints
from flowchat.ui.passages import HeardStep, Passage
from flowchat.ui.prose import gutter_strip
from flowchat.ui.tool_panel import Panel
from flowchat.ui.viewport import Place

Mark: TypeAlias = tuple[Passage, int, int, int]
"""A passage, a block of it, a row of that, and how many rows it has."""
_SHOWN = frozenset({"user_said", "run_ended", "noticed", "context_added", "compaction_undone", "unknown", "damaged"})


class Story:
    """Passages by number. Heights are in rows, the blank one above a passage counted with it."""

    def __init__(self) -> None:
        self.passages: list[Passage] = []
        self.checkpoints = Checkpoints()
        self._step: Passage | None = None
        self._heard: HeardStep | None = None
        self._node: Seq = 0
        self._listed: Record | None = None
        """The answer that gave the newest todo list."""

    def clear(self) -> None:
        self.passages.clear()
        self.checkpoints.clear()
        self._step = self._heard = None
        self._node, self._listed = 0, None

    # --- what happened -----------------------------------------------------------------------------------------------
    def take(self, record: Record, now: float | None) -> bool:
        """Place a record; whether anything shows it. `now` None: it is history, and not read before it is in view."""
        self._node = record.seq if record.is_node else self._node
        self._listed = record if record.has_todo else self._listed
        match record.type:
            case "assistant_said":
                self._step = self._settle(record) or self._add(record)
            case "tool_started" | "tool_answered":
                if self._step is None:
                    self._add(record)
                else:
                    self._step.hear_answer(record, now)
            case "edited":
                self._edit(record)
            case "compacted":
                if isinstance(record.entry, Compacted):
                    self.checkpoints.add(record, record.entry, self.passages, self._listed)
            case kind if kind in _SHOWN or (record.is_node and kind not in TYPES):
                if kind == "run_ended":
                    self._drop_heard()
                passage = self._add(record)
                if kind == "compaction_undone" and isinstance(record.entry, CompactionUndone):
                    self.checkpoints.undo(record.entry, passage, self._node)
            case _:
                return False
        return True

    def hear(self, delta: TextDelta | ThinkingDelta | CallDelta, now: float) -> None:
        """A piece of the step that is being said."""
        key = (delta.run, delta.step, delta.attempt)
        if self._heard is None or self._heard.key != key:
            self._drop_heard()
            self._heard = HeardStep(*key)
            self.passages.append(self._heard.passage)
        self._heard.hear(delta, now)

    def withdraw(self, run: int, step: int, attempt: int) -> None:
        """What was heard of this attempt did not happen."""
        if self._heard is not None and self._heard.key == (run, step, attempt):
            self._drop_heard()

    def panel(self, call: CallId) -> Panel | None:
        """The panel of a call of the step that was said last."""
        return self._step.panel(call) if self._step is not None else None

    def follow_all(self) -> None:
        """Nothing that folds with all others is folded or unfolded by hand any more."""
        for passage in self.passages:
            for block in passage.blocks if passage.is_built else ():
                if isinstance(block, Panel | Thought):
                    block.follow()

    # --- what is going on --------------------------------------------------------------------------------------------
    @property
    def is_heard(self) -> bool:
        """Whether a step is being said."""
        return self._heard is not None

    @property
    def growing(self) -> set[Passage]:
        """The passages to which news may still add."""
        return {passage for passage in (self._heard.passage if self._heard else None, self._step) if passage is not None}

    def moving(self) -> list[Block]:
        """The blocks that show something going on: only the last step's can."""
        last = [self._heard.passage if self._heard else None, self._step]
        return [b for passage in last if passage is not None and passage.is_built for b in passage.blocks if b.moves]

    # --- rows --------------------------------------------------------------------------------------------------------
    @property
    def first(self) -> int:
        """The number of the first passage that shows: those before it are folded."""
        return self.checkpoints.first

    def shows(self, passage: Passage) -> bool:
        """Whether a passage is there and not folded."""
        try:
            return self.passages.index(passage, self.first) >= 0
        except ValueError:
            return False

    def height(self, index: int, look: Look) -> int:
        height = self.passages[index].height(look)
        return height + self.is_apart(index) if height else 0

    def row(self, place: Place, look: Look) -> Strip:
        index, row = place
        row -= self.is_apart(index)
        return self.passages[index].row(row, look)[1] if row >= 0 else gutter_strip((), look.width)

    def block_at(self, place: Place, look: Look) -> tuple[Passage, int] | None:
        """The passage and number of the block a row belongs to; None for a blank row."""
        index, row = place
        row -= self.is_apart(index)
        number = self.passages[index].row(row, look)[0] if row >= 0 else None
        return None if number is None else (self.passages[index], number)

    def is_apart(self, index: int) -> bool:
        """Whether a blank row stands above a passage: not above the first one that shows anything."""
        blocks = self.passages[index].blocks
        for above in range(index - 1, self.first - 1, -1):
            if others := self.passages[above].blocks:
                return bool(blocks) and is_apart(others[-1].kind, blocks[0].kind)
        return False

    def extent(self, passage: Passage, block: int, look: Look) -> tuple[Place, int]:
        """The place of a block's first row, and how many rows it has."""
        return self.extent_at(self.passages.index(passage), block, look)

    def extent_at(self, index: int, block: int, look: Look) -> tuple[Place, int]:
        """As `extent`, of the passage with this number."""
        first, count = self.passages[index].extent(block, look)
        return (index, first + self.is_apart(index)), count

    def mark(self, place: Place, look: Look) -> Mark | None:
        """What is at a place, or first below it, to find it again when the story is drawn otherwise."""
        index, row = place
        while index < len(self.passages) and row >= self.height(index, look):
            index, row = index + 1, 0
        if index >= len(self.passages):
            return None
        found = self.block_at((index, row), look) or self.block_at((index, row + 1), look)
        if found is None:
            return None
        first, count = self.extent(*found, look)
        return (*found, row - first[1], count)

    def find(self, mark: Mark, look: Look) -> Place:
        """The place of what was marked: in a block that has other rows now, as far down as it was; folded, the fold's line."""
        passage, block, row, count = mark
        if not self.shows(passage):
            return self.first, 0
        first, count_now = self.extent(passage, block, look)
        row = row if count_now == count else row * count_now // max(1, count)
        return first[0], first[1] + min(row, max(0, count_now - 1))

    def rows(self, look: Look) -> Sequence[Strip]:
        """Every row that is not folded, top to bottom."""
        numbers = range(self.first, len(self.passages))
        return [self.row((index, row), look) for index in numbers for row in range(self.height(index, look))]

    # --- records into passages ---------------------------------------------------------------------------------------
    def _add(self, record: Record) -> Passage:
        passage = Passage(record)
        self.passages.append(passage)
        return passage

    def _settle(self, record: Record) -> Passage | None:
        """The passage of the step that was heard, if it is the one that is now said."""
        if self._heard is None:
            return None
        heard, said = self._heard, record.entry
        if not isinstance(said, AssistantSaid) or heard.key != (said.run, said.step, said.attempt):
            self._drop_heard()
            return None
        self._heard = None
        heard.passage.settle(record)
        return heard.passage

    def _drop_heard(self) -> None:
        if self._heard is not None:
            self.passages.remove(self._heard.passage)
            self._heard = None

    def _edit(self, record: Record) -> None:
        edited = record.entry
        if not isinstance(edited, Edited):
            return
        self.checkpoints.edit(record.seq, edited)
        for passage in reversed(self.passages):
            if passage.record is not None and passage.record.seq == edited.target:
                passage.edit(edited)
                return
