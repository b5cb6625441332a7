"""recall: with it the model finds and reads what was said in its own session and is out of its view."""

import asyncio
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from msgspec import Struct, structs

from flowchat.tools.arguments import fill, integer, schema, string
from flowchat.tools.folders import count
from flowchat.tools.passages import (
    PATTERN_SECONDS,
    Found,
    Hit,
    Line,
    Look,
    Passage,
    find_pattern,
)
from flowchat.tools.tool import INLINE_LIMIT_BYTES, BadArguments, Desk, Outcome, Reach
from flowchat.transcript.events import Preview
from flowchat.transcript.marks import inert
from flowchat.transcript.times import minute

LISTED = 40
"""Messages that are listed, and lines that are found, unless the call says otherwise."""
BEGINNING_CHARS = 100
"""Of a message that is listed."""
QUERY_LIMIT_CHARS = 1_000
KEPT_LIMIT_BYTES = 64 * 1024 * 1024
"""Of long outputs that are kept beside the session, what one search reads, the newest first."""
_ROOM_BYTES = INLINE_LIMIT_BYTES - 768
_SHORT_CHARS = 2_000
"""In a longer text a found line says where it stands."""
_PATTERN = re.compile(r"/(.+)/(i|g|gi|ig)?", re.DOTALL)
_WHY = {"folded": "", "pruned": ", pruned", "cut": ", shown in part"}
NOTHING = "[nothing is out of view: all that was said in this session stands in the conversation above]"


class _Args(Struct, rename={"start": "from"}):
    query: str = ""
    start: int = 0
    skip: int = 0
    limit: int = 0


class Recall:
    schema = schema(
        "recall",
        "Find and read what was said earlier in this session and is summarised, pruned or cut. Without arguments: a list of it.",
        {},
        {
            "query": string('Words (lines with the rarest together come first), "a phrase", or /a regular expression/'),
            "from": integer("Entry number: go on from there; without query, read from there"),
            "skip": integer("Characters of that entry to skip"),
            "limit": integer(),
        },
    )
    read_only = True

    def __init__(self, look: Look, pattern_seconds: float = PATTERN_SECONDS) -> None:
        self._look, self._pattern_seconds = look, pattern_seconds

    def reach(self, args: Mapping[str, object], workspace: Path) -> Reach:
        """Nothing but the session itself."""
        _given(args)
        return Reach("read")

    def preview(self, args: Mapping[str, object], desk: Desk) -> Preview:
        given = _given(args)
        lines = [("query", given.query)] if given.query else []
        return Preview("Look at earlier parts of this session?", (*lines, *([("from", str(given.start))] if given.start else [])))

    async def run(self, args: Mapping[str, object], desk: Desk) -> Outcome:
        """What was said stands in the answer as text that can forge no mark of ours: some of it stood between such marks."""
        outcome = await self._answer(_given(args), desk)
        return structs.replace(outcome, content=inert(outcome.content))

    async def _answer(self, given: "_Args", desk: Desk) -> Outcome:
        passages = await self._look()
        if not passages:
            return Outcome("nothing is out of view", NOTHING)
        later = [passage for passage in passages if passage.seq >= given.start]
        if not later:
            where = f"entries {passages[0].seq} to {passages[-1].seq}"
            return Outcome("nothing from there on", f"[nothing from {given.start} on is out of view; {where} hold what is]")
        if given.query:
            return await _find(later, given, desk, self._pattern_seconds)
        if given.start:
            return await _read(later, given, desk)
        return _list(later, given.limit or LISTED)


def _given(args: Mapping[str, object]) -> _Args:
    given = fill(_Args, args)
    given.query = given.query.strip()
    if given.skip and (given.query or not given.start):
        raise BadArguments("skip goes with from, and without query")
    if len(given.query) > QUERY_LIMIT_CHARS:
        raise BadArguments(f"a query may have {QUERY_LIMIT_CHARS:,} characters, not {len(given.query):,}")
    if given.query and not _PATTERN.fullmatch(given.query):
        from flowchat.tools.terms import terms_of  # like what ranks them it is loaded when something is looked for

        if not terms_of(given.query):
            raise BadArguments("the query holds no word")
    return given


# --- finding ---------------------------------------------------------------------------------------------------------
async def _find(passages: Sequence[Passage], given: _Args, desk: Desk, pattern_seconds: float) -> Outcome:
    """The lines that fit best, of those that fit as well the newest; with `from` the first ones from there on."""
    from flowchat.tools.ranking import find_words
    from flowchat.tools.terms import TERMS_LIMIT, terms_of

    searched, unread = _within_limit(passages)
    whole = partial(_whole, desk=desk)
    terms = terms_of(given.query)
    if pattern := _PATTERN.fullmatch(given.query):
        newest_first = searched if given.start else searched[::-1]
        found = await find_pattern(newest_first, pattern[1], "i" in (pattern[2] or ""), whole, pattern_seconds)
        terms = ()
    else:
        found = await find_words(searched, terms[:TERMS_LIMIT], whole)
    notes = [f"only the first {TERMS_LIMIT} of the {len(terms)} words were looked for"] if len(terms) > TERMS_LIMIT else []
    if unread:
        notes.append(f"{count(unread, 'long output was', 'long outputs were')} not searched: read_file reads blob:<sha256>")
    if not found.hits:
        looked = f"{count(len(passages), 'entry', 'entries')} out of view{f' from {given.start} on' if given.start else ''}"
        notes = [f"no line of {looked} {'was found' if found.partial else 'holds that'}; other words may find it", *notes]
        return Outcome("nothing found", _bracketed(notes))
    return _shown(found, given, notes)


def _within_limit(passages: Sequence[Passage]) -> tuple[list[Passage], int]:
    """What is searched of the passages: the whole of what was kept of the newest; and of how many others only a part."""
    searched, unread, room = list(passages), 0, KEPT_LIMIT_BYTES
    for index in range(len(searched) - 1, -1, -1):
        if searched[index].kept:
            room -= searched[index].kept_bytes
            if room < 0:
                searched[index] = structs.replace(searched[index], kept=())
                unread += 1
    return searched, unread


async def _whole(passage: Passage, desk: Desk) -> Passage:
    """A passage with all of its text, as far as that is there."""
    if not passage.kept:
        return passage
    contents = [await desk.blob(blob.sha256) for blob in passage.kept]
    texts = [await asyncio.to_thread(content.decode, "utf-8", "replace") for content in contents if content is not None]
    if passage.in_part:
        return structs.replace(passage, text=texts[0]) if texts else passage
    return structs.replace(passage, text="\n\n".join(filter(None, [passage.text, *texts])))


def _shown(found: Found, given: _Args, notes: Sequence[str]) -> Outcome:
    in_order = sorted(found.hits, key=lambda hit: hit.passage.seq)
    chosen = in_order if given.start else sorted(in_order, key=lambda hit: (-hit.score, -hit.passage.seq))
    blocks = _within(map(_block, chosen), given.limit or LISTED)
    shown, left = chosen[: len(blocks)], chosen[len(blocks) :]
    if not given.start:
        ranks = sorted(range(len(shown)), key=lambda index: (-shown[index].score, shown[index].passage.seq))
        blocks = [blocks[rank] for rank in ranks]
    least = "at least " if found.partial else ""
    said = f"{least}{count(found.lines, 'line', 'lines')} in {count(len(chosen), 'entry', 'entries')}"
    best = "the best of them " if given.start else "the best first, the first of them "
    head = [f"{said} out of view, {best if len({hit.score for hit in chosen}) > 1 else ''}{found.how}"]
    if left and given.start:
        notes = [f"more: the same query with from {left[0].passage.seq}", *notes]
    elif left:
        which = "newest" if left[0].score == shown[0].score else "best"
        head.append(f"these are the {which}; the same query with from {in_order[0].passage.seq} begins with the oldest")
    notes = ["from and an entry's number, without query, read on from there", *notes]
    if found.others:
        notes.insert(0, f"{count(found.others, 'other entry holds', 'other entries hold')} some of it, no more than these")
    return Outcome(said, "\n".join([_bracketed(head), *blocks, _bracketed(notes)]))


def _block(hit: Hit) -> tuple[str, int]:
    """What is shown of a hit, and how many lines that are."""
    more = hit.count - len(hit.lines)
    rest = [f"  [{count(more, 'more line', 'more lines')} in it]"] if more else []
    if hit.alike:
        rest.append(f"  [the same in {count(hit.alike, 'other entry', 'other entries')}]")
    return "\n".join([_heading(hit.passage), *map(_line, hit.lines), *rest]), len(hit.lines)


def _line(line: Line) -> str:
    """A line that was found; in a long entry with how much of it comes before."""
    return f"  {f'(skip {line.start}) ' if line.start > _SHORT_CHARS else ''}{line.text.strip()}"


# --- reading ---------------------------------------------------------------------------------------------------------
async def _read(passages: Sequence[Passage], given: _Args, desk: Desk) -> Outcome:
    """Whole entries in order, as many as fit; a long one in parts."""
    limit, room = given.limit or len(passages), _ROOM_BYTES
    lines: list[str] = []
    onward = ""
    skip = given.skip if passages[0].seq == given.start else 0
    read = 0
    for passage in passages:
        if read == limit or (lines and room < _SHORT_CHARS):
            onward = f"more: from {passage.seq}"
            break
        passage = await _whole(passage, desk)
        if skip > len(passage.text):
            raise BadArguments(f"entry {passage.seq} has {len(passage.text):,} characters: skip may be no more")
        heading = _heading(passage) + (f", from character {skip:,} on" if skip else "")
        room -= _size(heading)
        text, rest = _fitting(passage.text[skip:], room)
        lines += [heading, text]
        room -= _size(text)
        read += 1
        if rest:
            skip = len(passage.text) - rest
            onward = f"entry {passage.seq} goes on: from {passage.seq}, skip {skip}"
            break
        skip = 0
    last = onward or "what follows is in the conversation above, or nothing does"
    return Outcome(f"{count(read, 'entry', 'entries')} from {passages[0].seq}", "\n".join([*lines, _bracketed([last])]))


def _fitting(text: str, room: int) -> tuple[str, int]:
    """The beginning of a text, indented, in at most `room` bytes, to the end of a line if one fits; and how much is left."""
    lines: list[str] = []
    taken = 0
    for line in text.splitlines(keepends=True):
        shown = f"  {line.rstrip()}"
        size = _size(shown) if len(line) <= room else room + 1
        if size > room and not lines:
            part = line[: max(0, room - 3)]
            while _size(part) > room - 2 and len(part) > 1:
                part = part[: len(part) * (room - 2) // _size(part)]
            return f"  {part}", len(text) - len(part)
        if size > room:
            break
        lines.append(shown)
        room, taken = room - size, taken + len(line)
    return "\n".join(lines), len(text) - taken


# --- listing ---------------------------------------------------------------------------------------------------------
def _list(passages: Sequence[Passage], limit: int) -> Outcome:
    """What the user said, one line a message, and what of the conversation in view is not shown whole."""
    said = [index for index, passage in enumerate(passages) if passage.what == "user" and passage.why == "folded"]
    ends = [*said[1:], len(passages)]
    behind = {
        index: sum(other.why == "folded" for other in passages[index + 1 : end]) for index, end in zip(said, ends, strict=True)
    }
    apart = [index for index, passage in enumerate(passages) if passage.why != "folded"]
    rows = sorted({*said, *apart, 0})
    blocks = _within(((_row(passages[index], behind.get(index, 0)), 1) for index in reversed(rows)), limit)
    earlier = len(rows) - len(blocks)
    blocks.reverse()
    head = f"{count(len(passages), 'entry is', 'entries are')} out of view"
    if earlier:
        head += f"; {count(earlier, 'row', 'rows')} before these left out: from {passages[0].seq} reads from the first"
    notes = ["from and an entry's number read from there; query finds lines"]
    return Outcome(
        f"{count(len(passages), 'entry', 'entries')} out of view", "\n".join([_bracketed([head]), *blocks, _bracketed(notes)])
    )


def _row(passage: Passage, behind: int) -> str:
    beginning = " ".join(passage.text[: 4 * BEGINNING_CHARS].split())
    cut = f"{beginning[:BEGINNING_CHARS]}…" if len(beginning) > BEGINNING_CHARS else beginning
    return f"{_heading(passage)}: {cut}" + (f"  (+{behind:,})" if behind else "")


# --- both ------------------------------------------------------------------------------------------------------------
def _heading(passage: Passage) -> str:
    """`[812] user, 2026-11-21 14:02`. What was said stands indented below: no text can look like one."""
    return f"[{passage.seq}] {passage.what}, {minute(passage.at_ms).strip()}{_WHY[passage.why]}"


def _within(blocks: "Iterable[tuple[str, int]]", limit: int) -> list[str]:
    """The first of the blocks, as many as there are lines and room for, but one at least."""
    kept: list[str] = []
    room = _ROOM_BYTES
    for text, lines in blocks:
        room -= _size(text)
        if kept and (room < 0 or limit < lines):
            break
        kept.append(text)
        limit -= lines
    return kept


def _size(line: str) -> int:
    """The bytes it takes in an answer."""
    return len(inert(line).encode("utf-8", "replace")) + 1


def _bracketed(notes: Sequence[str]) -> str:
    return f"[{'; '.join(notes)}]"
