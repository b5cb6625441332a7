"""What is copied of a conversation: code and answers as they were written, a selection without the marks of the screen."""

import re
from collections.abc import Sequence

from textual.selection import Selection

from flowchat.ui.blocks import Answer, Block, Look, Said, is_apart
from flowchat.ui.choice import Choice
from flowchat.ui.figures import many
from flowchat.ui.passages import ROWS_PER_PASSAGE, Passage
from flowchat.ui.prose import GUTTER
from flowchat.ui.story import Story
from flowchat.ui.structure import block_parser
from flowchat.ui.unwrapping import Unwrapped, unwrapped

_MAY_HOLD_CODE = re.compile(r"```|~~~|^(?: {4}|\t| +\t)", re.MULTILINE)
"""Most texts hold none, and need not be parsed to know it."""
_FILLING = re.compile(" {3,}")


def code_in(source: str) -> list[str]:
    """The code of a markdown text, fenced or indented, block by block; as written, without the newline it ends with."""
    if not _MAY_HOLD_CODE.search(source):
        return []
    tokens = block_parser().parse(source)
    return [token.content.removesuffix("\n") for token in tokens if token.type in ("fence", "code_block")]


def next_code(choice: Choice, last: tuple[Block, int] | None) -> tuple[tuple[Block, int], str, str] | None:
    """The code of the chosen block, or of the nearest above that has some, which is then chosen: where to go on from, the code,
    and what to call it; None: there is none. `last` is where to go on from."""
    block, number = last or (None, 0)
    if block is None or block is not choice.block:
        block, number = choice.walk_to_code(), 0
    if block is None:
        return None
    codes = code_in(block.source)
    number %= len(codes)
    return (block, number + 1), codes[number], "code" if len(codes) == 1 else f"code {number + 1} of {len(codes)}"


def answer_from_last(story: Story, number: int) -> tuple[str, str]:
    """The source of an answer of the model, 1 being the last, and what to call it; none, and why, where it is not there."""
    passages = (p for p in reversed(story.passages) if p.record is None or p.record.type == "assistant_said")
    count = 0
    for passage in passages:
        for block in reversed(passage.blocks):
            count += isinstance(block, Answer)
            if isinstance(block, Answer) and count == number:
                return block.source, "the last answer" if number == 1 else f"answer {number} from the last"
    return "", f"{many(count, 'answer')} in all; /copy 1 is the last" if count else "There is no answer yet"


def selected_text(story: Story, selection: Selection, look: Look) -> str:
    """What is selected: messages and answers that are selected whole as they were written, of others the text to be read.

    Gutters, bars and filling are not copied, and lines that were broken to fit are whole.
    """
    first = max(selection.start.y if selection.start else 0, story.first * ROWS_PER_PASSAGE)
    last = selection.end.y if selection.end else len(story.passages) * ROWS_PER_PASSAGE
    copied, above = "", None
    for index in range(first // ROWS_PER_PASSAGE, min(last // ROWS_PER_PASSAGE + 1, len(story.passages))):
        passage = story.passages[index]
        start = index * ROWS_PER_PASSAGE + story.is_apart(index)
        for number, block in enumerate(passage.blocks):
            row, count = passage.extent(number, look)
            lines = range(max(first, start + row), min(last + 1, start + row + count))
            if not lines:
                continue
            spans = [selection.get_span(line) or (0, -1) for line in lines]
            text = _of_block(passage, number, look, lines.start - start - row, spans)
            copied += ("\n\n" if is_apart(above.kind, block.kind) else "\n") + text if above else text
            above = block
    return copied


def _of_block(passage: Passage, number: int, look: Look, first: int, spans: Sequence[tuple[int, int]]) -> str:
    """The text of the rows of a block from `first` on, as far as they are selected."""
    block = passage.blocks[number]
    rows = passage.texts(number, look)
    read = unwrapped(rows, block.source, look.palette.glyphs.bar)
    if isinstance(block, Said | Answer) and len(spans) == len(rows) and _is_whole(read, spans):
        return block.source.strip("\n")
    copied = ""
    for at, (start, end) in enumerate(spans, first):
        end = len(rows[at]) if end < 0 else end
        copied += _of_title(rows[at], start, end) if _is_title(block, at) else _of_row(read[at], rows[at], start, end)
        copied += read[at].joint if at - first < len(spans) - 1 else ""
    return copied


def _of_title(drawn: str, start: int, end: int) -> str:
    return _FILLING.sub("  ", drawn[max(start, GUTTER) : end].rstrip())


def _of_row(row: Unwrapped, drawn: str, start: int, end: int) -> str:
    if start <= row.start and end >= row.start + len(row.shown):
        return row.indent + row.text
    return drawn[max(start, row.start) : min(end, row.start + len(row.shown))]


def _is_whole(read: Sequence[Unwrapped], spans: Sequence[tuple[int, int]]) -> bool:
    last, end = read[-1], spans[-1][1]
    return spans[0][0] <= read[0].start and (end < 0 or end >= last.start + len(last.shown))


def _is_title(block: Block, row: int) -> bool:
    """Whether a row is the line of a call, filled up so that durations stand below each other."""
    return row == 0 and block.kind == "quiet"
