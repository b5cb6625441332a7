"""What one entry puts on the screen: its blocks, made when they are first looked at, and their rows."""

from collections.abc import Iterator, Sequence
from typing import assert_never

from textual.strip import Strip

from flowchat.agent.items import NOTHING, ItemState
from flowchat.transcript.clean import clean
from flowchat.transcript.entries import (
    AssistantPart,
    AssistantSaid,
    Call,
    CallCut,
    CallId,
    Edited,
    Record,
    Text,
    Thinking,
    ToolAnswered,
    ToolStarted,
)
from flowchat.transcript.events import CallDelta, TextDelta, ThinkingDelta
from flowchat.ui.blocks import Answer, Block, Kind, Look, Thought, is_apart
from flowchat.ui.item_marks import marked, state_of
from flowchat.ui.markdown import Line, strip_of_line, text_of_line
from flowchat.ui.notes import blocks_of
from flowchat.ui.prose import gutter_strip
from flowchat.ui.tool_panel import Panel

ROWS_PER_PASSAGE = 1 << 20
"""A selection's lines count rows, each passage's from a multiple of this on."""


class Passage:
    """The blocks of one record; of an assistant_said with the answers to its calls; or of a step still being heard."""

    __slots__ = ("_blocks", "_drawn", "_panels", "answers", "edited", "record", "touched")

    def __init__(self, record: Record | None, blocks: list[Block] | None = None) -> None:
        """`blocks`: those of the record where they are made elsewhere; they stay."""
        self.record = record
        self.answers: list[Record] = []
        self.edited: Edited | None = None
        self.touched = blocks is not None
        self._blocks: list[Block] | None = [] if record is None else blocks
        self._panels: dict[CallId, Panel] = {}
        self._drawn: list[tuple[Block, int, Look, Sequence[Line]]] = []

    @property
    def blocks(self) -> list[Block]:
        if self._blocks is None:
            self._blocks = self._built(())
        return self._blocks

    @property
    def is_user(self) -> bool:
        return self.record is not None and self.record.type == "user_said"

    @property
    def is_built(self) -> bool:
        return self._blocks is not None

    def panel(self, call: CallId) -> Panel | None:
        return self._panels.get(call) if self.blocks else None

    def forget(self) -> None:
        """Let go of what can be made again."""
        self._drawn = []
        if self.record is not None and not self.touched and not any(block.moves for block in self.blocks):
            self._blocks = None

    def show(self, blocks: list[Block]) -> None:
        """From now on these are its blocks."""
        self._blocks = blocks

    def edit(self, edited: Edited) -> None:
        """The message reads otherwise on this branch."""
        self.edited, self._blocks = edited, None

    def settle(self, record: Record) -> None:
        """The step is said and durable: what it shows from now on is its entry's."""
        heard, self.record = self.blocks, record
        self._blocks = self._built(heard)

    def hear_answer(self, record: Record, now: float | None = None) -> None:
        """A tool_started or tool_answered of this step; `now` where it happens just now, in monotonic seconds."""
        blocks = self._blocks if now is None else self.blocks
        self.answers.append(record)
        if blocks is not None:
            self._apply(record, now, blocks)

    # --- rows --------------------------------------------------------------------------------------------------------
    def height(self, look: Look) -> int:
        """Rows, without the blank one that may stand above."""
        return sum(len(lines) for _, lines in self._rows(look))

    def row(self, number: int, look: Look) -> tuple[int | None, Strip]:
        """A row and the number of its block, None for a blank row between two."""
        for index, lines in self._rows(look):
            if number < len(lines):
                return None if isinstance(lines, _Blank) else index, strip_of_line(lines[number])
            number -= len(lines)
        raise IndexError(number)

    def extent(self, block: int, look: Look) -> tuple[int, int]:
        """The row a block begins with, a blank one above it not counted, and how many it has."""
        start = 0
        for index, lines in self._rows(look):
            if index >= block and not isinstance(lines, _Blank):
                return start, len(lines) if index == block else 0
            start += len(lines)
        return start, 0

    def texts(self, block: int, look: Look) -> list[str]:
        """The rows of a block as text, without what is told of it below."""
        found = [lines for index, lines in self._rows(look) if index == block and not isinstance(lines, _Blank)]
        own = len(found[0]) - (self._state(self.blocks[block], look) is not None) if found else 0
        return [text_of_line(line) for lines in found for line in lines[:own]]

    def _rows(self, look: Look) -> Iterator[tuple[int, Sequence[Line]]]:
        above: Kind | None = None
        blocks = self.blocks
        del self._drawn[len(blocks) :]
        for index, block in enumerate(blocks):
            lines = self._lines(index, block, look)
            if not lines:
                continue
            if above is not None and is_apart(above, block.kind):
                yield index, _Blank([gutter_strip((), look.width)])
            yield index, lines
            above = block.kind

    def _lines(self, index: int, block: Block, look: Look) -> Sequence[Line]:
        if index < len(self._drawn):
            known, version, drawn_for, lines = self._drawn[index]
            if known is block and version == block.version and drawn_for is look:
                return lines
        lines, state = block.draw(look), self._state(block, look)
        lines = marked(lines, state, look) if lines and state is not None else lines
        self._drawn[index : index + 1] = [(block, block.version, look, lines)]
        return lines

    def _state(self, block: Block, look: Look) -> ItemState | None:
        """What is set of what a block shows."""
        if self.record is None or look.items == NOTHING:
            return None
        call = next((call for call, panel in self._panels.items() if panel is block), None)
        return None if isinstance(block, Panel) and call is None else state_of(self.record.seq, call, look.items)

    # --- blocks ------------------------------------------------------------------------------------------------------
    def _built(self, heard: Sequence[Block]) -> list[Block]:
        """The record's blocks, those of `heard` that say the same kept."""
        assert self.record is not None
        self._drawn = []
        entry = self.record.entry
        if not isinstance(entry, AssistantSaid):
            return list(blocks_of(entry, self.edited))
        self._panels = {}
        blocks: list[Block] = list(_step_blocks(self.record.seq, entry, heard, self._panels))
        for answer in self.answers:
            self._apply(answer, None, blocks)
        return blocks

    def _apply(self, record: Record, now: float | None, blocks: list[Block]) -> None:
        entry = record.entry
        if isinstance(entry, ToolStarted) and entry.call in self._panels:
            if now is not None:
                self._panels[entry.call].start(now)
        elif isinstance(entry, ToolAnswered) and entry.call in self._panels:
            self._panels[entry.call].answer(entry)
        else:
            blocks += blocks_of(entry)


class _Blank(list[Line]):
    """The blank row between two blocks."""


class HeardStep:
    """A step as its deltas tell it, until its entry comes. Adds blocks to its passage."""

    def __init__(self, run: int, step: int, attempt: int) -> None:
        self.key = (run, step, attempt)
        self.passage = Passage(None)
        self._panels: dict[int, Panel] = {}

    def hear(self, delta: TextDelta | ThinkingDelta | CallDelta, now: float) -> None:
        blocks = self.passage.blocks
        last = blocks[-1] if blocks else None
        if not isinstance(delta, ThinkingDelta) and isinstance(last, Thought):
            last.stop(now)
        match delta:
            case TextDelta(text=text):
                if not isinstance(last, Answer):
                    blocks.append(last := Answer())
                last.grow(text)
            case ThinkingDelta(text=text):
                if not isinstance(last, Thought) or not last.moves:
                    blocks.append(last := Thought(began=now))
                last.grow(text)
            case CallDelta(index=index, name=name, args=args):
                if index not in self._panels:
                    self._panels[index] = Panel("", "", "writing")
                    blocks.append(self._panels[index])
                self._panels[index].write(name, args)
            case _:
                assert_never(delta)


def _step_blocks(seq: int, said: AssistantSaid, heard: Sequence[Block], panels: dict[CallId, Panel]) -> Iterator[Block]:
    """The blocks of a step; `panels` gets those that wait for an answer, by call id."""
    answers = iter([block for block in heard if isinstance(block, Answer)])
    thoughts = iter([block for block in heard if isinstance(block, Thought)])
    before = iter([block for block in heard if isinstance(block, Panel)])
    ms = said.thinking_ms
    for part in _merged(said.parts):
        match part:
            case Text(text=text) if text.strip():
                yield _kept_or_new(next(answers, None), text)
            case Thinking(text=text) if text.strip() or ms:
                thought = Thought(text, ms)
                if (old := next(thoughts, None)) is not None:
                    thought.keep_fold(old)
                yield thought
                ms = 0
            case Call(name=name, args=args):
                panel = Panel(name, args, "waiting")
                if (old := next(before, None)) is not None:
                    panel.keep_fold(old)
                panels[f"{seq}.{len(panels)}"] = panel
                yield panel
            case CallCut(name=name, raw=raw):
                yield Panel(name, raw, "cut")
            case _:  # a part with nothing to see
                pass


def _merged(parts: Sequence[AssistantPart]) -> Iterator[AssistantPart]:
    """The parts, texts that follow each other in one."""
    texts: list[str] = []
    for part in parts:
        if isinstance(part, Text):
            texts.append(part.text)
            continue
        if texts:
            yield Text("".join(texts))
            texts = []
        yield part
    if texts:
        yield Text("".join(texts))


def _kept_or_new(heard: Answer | None, text: str) -> Answer:
    if heard is not None:
        heard.end()
        if heard.source == clean(text):
            return heard
    return Answer(text, whole=True)
