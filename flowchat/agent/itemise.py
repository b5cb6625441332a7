"""The next request item by item: what each takes of the window, why it is there, and whether the provider's cache holds it.

Every byte of the request belongs to one row, so the rows add up to what the meter shows. A call and its answer are one row.
"""

from bisect import bisect_right
from collections.abc import Container, Iterator, Sequence
from itertools import groupby
from typing import Literal, TypeAlias

from msgspec import Struct, structs

from flowchat.agent.items import ItemState
from flowchat.agent.messages import CHECKPOINT, Placed, checkpoint_texts
from flowchat.agent.projection import Projection
from flowchat.agent.reading import place_of
from flowchat.agent.tokens import call_bytes, piece_bytes, system_bytes
from flowchat.agent.wire import call_of
from flowchat.model.model import AssistantMessage, ModelFacts, Piece, ToolMessage, UserMessage
from flowchat.transcript.entries import (
    SKILL_LIST,
    AssistantSaid,
    Call,
    CallId,
    ContextAdded,
    ContextSource,
    ItemRef,
    PromptSet,
    Record,
    RunEnded,
    Seq,
    ToolAnswered,
    UserSaid,
    text_of,
)
from flowchat.transcript.facts import SessionFacts
from flowchat.transcript.todo import open_items

TITLE_CHARS = 160
Kind: TypeAlias = Literal["system", "tools", "checkpoint", "user", "answer", "call", "outcome"] | ContextSource
Source: TypeAlias = Literal["flowchat", "folder", "you", "model"]
_ADDED: dict[ContextSource, tuple[Source, str]] = {
    "instructions": ("folder", "instructions that hold in this folder"),
    "environment": ("flowchat", "where the agent works, and on what"),
    "mode": ("flowchat", "the permission mode, as it was set here"),
    "skill": ("you", "a skill your message named"),
    "file": ("you", "your message named it with @"),
    "job": ("flowchat", "a background job had news"),
    "hook": ("folder", "a hook of this folder added it"),
    "command": ("you", "you ran it with !"),
}
_SKILL_LIST: tuple[Source, str] = ("flowchat", "skills the model may read by itself, by name and description")
_DELIVERED = {
    "send": "you said it",
    "queue": "you said it; it had been queued",
    "steer": "you said it while the agent worked",
    "edit": "you said it in the place of an earlier message",
}
_CHANGED = {"upgrade": "flowchat was upgraded", "agent": "another agent", "mcp": "other servers", "settings": "other settings"}
_COMPACTED = {"soft": "after a run", "hard": "during a run", "overflow": "the window was full", "user": "you asked for it"}
_PINNED = "; pinned, so kept when the rest was summarised"
_FIXED, _FOLDED = (-1, 0), (0, 0)


class Row(Struct, frozen=True, gc=False):
    """One item. `ref`: how it is named where something is set of it; None: nothing can be.

    `node`: where it stands in the log, 0: nowhere. `detail`: a call's raw arguments, the names of the tools, the path of
    instructions that are still to be sent. `age_steps`: answers since. What is left out is a row of no tokens.
    """

    kind: Kind
    title: str
    tokens: int
    source_kind: Source
    why: str
    age_steps: int
    cached: bool = False
    state: ItemState | None = None
    ref: ItemRef | None = None
    node: Seq = 0
    detail: str = ""


class _Cell(Struct, gc=False):
    """A row before it is weighed: the positions it takes, and its place among what is left out."""

    row: Row
    spans: list[tuple[int, int]]
    place: tuple[Seq, int]


def itemise(branch: Sequence[Record], facts: SessionFacts, model: ModelFacts, projection: Projection) -> list[Row]:
    """The rows of the branch's next request, in its order; what is left out stands where it would."""
    projection.follow(branch, facts, model.provider)
    tokens_at, limit = projection.timeline(model.name).tokens_at, cached_end(branch, facts, model, projection)
    return [
        structs.replace(
            cell.row,
            tokens=sum(tokens_at(end) - tokens_at(start) for start, end in cell.spans),
            cached=bool(cell.spans) and cell.spans[-1][1] <= limit,
        )
        for cell in _Reading(branch, projection).cells()
    ]


def provenance(added: ContextAdded) -> tuple[Source, str]:
    """Who had it added, and why it is there."""
    return _SKILL_LIST if (added.source, added.origin) == ("skill", SKILL_LIST) else _ADDED[added.source]


def cached_end(branch: Sequence[Record], facts: SessionFacts, model: ModelFacts, projection: Projection) -> int:
    """The position up to which the next request goes on with the last as far as the provider said it cached that; 0: nowhere.

    System prompt and tools go on whatever was folded, left out or edited behind them.
    """
    timeline = projection.timeline(model.name)
    same = max(timeline.end, projection.fixed)
    for record in reversed(branch):
        if record.type == "prompt_set":
            return 0
        if record.type == "assistant_said" and isinstance(record.entry, AssistantSaid):
            said = record.entry
            used = facts.attempts.get((said.run, said.step, said.attempt))
            if used is not None and used.usage is not None:
                cached = used.usage.cached + used.usage.cache_write if said.model == model.name else 0
                edges = [0, *projection.edges()]
                return min(same, edges[bisect_right(edges, cached, key=timeline.tokens_at) - 1])
    return 0


def difference(
    branch: Sequence[Record], before: Projection, after: Projection, items: Container[ItemRef], model: str
) -> tuple[int, int]:
    """How many tokens more these items take in the request that `after` gives than in that of `before`, and the position in the
    latter up to which the two are one. What stands in both is weighed by the model's counts of the request that has more."""
    spans = [_spans_of(branch, projection, items) for projection in (before, after)]
    timelines = [projection.timeline(model) for projection in (before, after)]
    known = max((0, 1), key=lambda which: timelines[which].end)
    tokens_at, end = timelines[known].tokens_at, (before, after)[known].end()
    more = 0
    for ref in spans[0].keys() | spans[1].keys():
        found = spans[known].get(ref, [])
        tokens = sum(tokens_at(stop) - tokens_at(start) for start, stop in found)
        length, other = (sum(stop - start for start, stop in of.get(ref, ())) for of in (spans[known], spans[1 - known]))
        instead = -(-tokens * other // length) if length else tokens_at(end + other) - tokens_at(end)
        more += tokens - instead if known else instead - tokens
    asked, then = before.sight().messages, after.sight().messages
    pairs = enumerate(zip(asked, then, strict=False))
    return more, before.edges()[next((place for place, (one, two) in pairs if one != two), min(len(asked), len(then)))]


def content(branch: Sequence[Record], projection: Projection, row: Row) -> str:
    """All that an item of the conversation says; of a call what it was asked and what it answered, pruned or not."""
    place = place_of(branch, row.node)
    match branch[place].entry if place >= 0 else None:
        case UserSaid(parts=parts):
            return text_of(projection.edited.get(row.node, parts))
        case ContextAdded(parts=parts) | AssistantSaid(parts=parts) if row.kind != "call":
            return text_of(parts)
        case ToolAnswered() as answered:
            return f"{row.title} {row.detail}\n\n{answered.content or answered.summary}"
        case _:
            if row.kind == "checkpoint" and projection.checkpoint is not None:
                return "\n\n".join(checkpoint_texts(projection.checkpoint[1], projection.todo))
            return f"{row.title} {row.detail}".rstrip()


def _spans_of(
    branch: Sequence[Record], projection: Projection, items: Container[ItemRef]
) -> dict[ItemRef, list[tuple[int, int]]]:
    """The positions that these items take in a request."""
    cells = ((cell.row.ref, cell.spans) for cell in _Reading(branch, projection).cells())
    return {ref: spans for ref, spans in cells if ref is not None and ref in items}


class _Reading:
    """Reads one request."""

    def __init__(self, branch: Sequence[Record], projection: Projection) -> None:
        self._branch, self._projection, self._chosen = branch, projection, projection.chosen
        self._upto = projection.checkpoint[1].upto if projection.checkpoint else 0
        self._edits = projection.edited
        self._nodes = {record.seq: record for record in branch}
        self._said: list[Seq] = []
        self._calls: dict[CallId, tuple[Seq, int, Call]] = {}
        """Each call's message, its place among the parts of that, and itself."""
        self._answers: dict[CallId, Seq] = {}
        self._pairs: dict[CallId, _Cell] = {}
        for record in branch:
            if record.type == "assistant_said" and isinstance(record.entry, AssistantSaid):
                self._said.append(record.seq)
                called = ((place, part) for place, part in enumerate(record.entry.parts) if isinstance(part, Call))
                for index, (place, call) in enumerate(called):
                    self._calls[f"{record.seq}.{index}"] = record.seq, place, call
            elif record.type == "tool_answered" and isinstance(record.entry, ToolAnswered):
                self._answers.setdefault(record.entry.call, record.seq)

    def cells(self) -> list[_Cell]:
        edges = self._projection.edges()
        cells = list(self._fixed(edges[0]))
        for placed, start, end in zip(self._projection.placed(), edges[:-1], edges[1:], strict=True):
            cells += self._message(placed, start, end)
        cells += self._left_out()
        return sorted(cells, key=lambda cell: cell.place)

    # --- what is sent ------------------------------------------------------------------------------------------------
    def _fixed(self, end: int) -> Iterator[_Cell]:
        """System prompt and tools: they are always there."""
        sight = self._projection.sight()
        node = next((record for record in reversed(self._branch) if record.type in ("prompt_set", "session_started")), None)
        entry, age = (None, 0) if node is None else (node.entry, self._age(node.seq))
        why = "every request begins with it"
        if isinstance(entry, PromptSet):
            why += f"; changed once: {_CHANGED[entry.reason]}"
        middle, names = system_bytes(sight.system), ", ".join(tool.name for tool in sight.tools)
        yield _Cell(Row("system", "system prompt", 0, "flowchat", why, age), [(0, middle)], _FIXED)
        tools = Row("tools", f"{len(sight.tools)} tool schemas", 0, "flowchat", "what the model can call", age, detail=names)
        yield _Cell(tools, [(middle, end)], _FIXED)

    def _message(self, placed: Placed, start: int, end: int) -> Iterator[_Cell]:
        match placed.message:
            case UserMessage(pieces=pieces):
                yield from self._user(pieces, placed.origins, start, end)
            case AssistantMessage() as said:
                yield from self._assistant(said, placed.origins, start, end)
            case ToolMessage(call_id=wire):
                self._pairs[call_of(wire)].spans.append((start, end))

    def _user(self, pieces: Sequence[Piece], origins: Sequence[Seq], start: int, end: int) -> Iterator[_Cell]:
        """A row for each node; what stands around the message belongs to the first."""
        weights = [
            (origin, sum(piece_bytes(piece) for _, piece in group))
            for origin, group in groupby(zip(origins, pieces, strict=True), key=lambda pair: pair[0])
        ]
        around = end - start - sum(weight for _, weight in weights)
        for origin, weight in weights:
            stop = start + weight + around
            yield _Cell(self._row_of(origin), [(start, stop)], self._place(origin))
            start, around = stop, 0

    def _assistant(self, said: AssistantMessage, origins: Sequence[Seq], start: int, end: int) -> Iterator[_Cell]:
        """A row for the words of each node, one for each call; without words what stands around belongs to the first call."""
        words_end = stop = end - sum(map(call_bytes, said.calls))
        for origin in origins[:-1]:
            own = min(words_end, start + len(self._words(origin).encode()))
            yield _Cell(self._row_of(origin), [(start, own)], self._place(origin))
            start = own
        if said.text or said.reasoning or not said.calls:
            yield _Cell(self._row_of(origins[-1]), [(start, words_end)], self._place(origins[-1]))
            start = words_end
        for call in said.calls:
            call_id, stop = call_of(call.id), stop + call_bytes(call)
            self._pairs[call_id] = cell = _Cell(self._pair(call_id), [(start, stop)], self._place_of(call_id))
            yield cell
            start = stop

    def _left_out(self) -> Iterator[_Cell]:
        """What stands behind the checkpoint and is not sent."""
        for seq in self._chosen.out:
            if seq > self._upto:
                yield _Cell(structs.replace(self._row_of(seq), state="excluded"), [], self._place(seq))
        for call_id in self._chosen.calls_out:
            if call_id in self._calls and self._calls[call_id][0] > self._upto:
                yield _Cell(structs.replace(self._pair(call_id), state="excluded"), [], self._place_of(call_id))

    # --- one row each ------------------------------------------------------------------------------------------------
    def _row_of(self, seq: Seq) -> Row:
        if seq == CHECKPOINT:
            return self._checkpoint()
        match self._nodes[seq].entry:
            case UserSaid() as said:
                return self._of_user(seq, said)
            case ContextAdded() as added:
                return self._row(ItemRef(seq), added.source, added.origin, *provenance(added))
            case AssistantSaid(parts=parts, calls=calls):
                words = next((place for place, part in enumerate(parts) if not isinstance(part, Call)), None) if calls else None
                why = "the model said it beside its calls" if calls else "the model's answer"
                return self._row(ItemRef(seq, words), "answer", text_of(parts).strip() or "thoughts", "model", why)
            case ToolAnswered(call=call):
                return self._pair(call)
            case RunEnded(outcome=outcome):
                return self._row(None, "outcome", f"the run ended: {outcome}", "flowchat", "tells the model so", seq)
            case _:
                return self._row(None, "outcome", "something that cannot be read", "flowchat", "keeps the turns in order", seq)

    def _of_user(self, seq: Seq, said: UserSaid) -> Row:
        why = _DELIVERED[said.delivery] + ("; its words were edited since" if seq in self._edits else "")
        if self._projection.checkpoint is not None and seq in self._projection.checkpoint[1].verbatim:
            why += "; kept word for word, as it waits for an answer"
        text = text_of(self._edits.get(seq, said.parts)).strip() or "an attachment"
        return self._row(ItemRef(seq), "user", text, "you", why)

    def _pair(self, call_id: CallId) -> Row:
        said, place, call = self._calls.get(call_id, (0, 0, Call("", "call", "{}")))
        answer = self._answers.get(call_id)
        ref = ItemRef(said, place) if answer is None else ItemRef(answer)
        row = self._row(ref, "call", call.name, "model", "the model called it")
        if call_id in self._chosen.calls_pinned:
            return structs.replace(row, detail=call.args, state="pinned", why=row.why + (_PINNED if said <= self._upto else ""))
        return structs.replace(row, detail=call.args, state="pruned" if call_id in self._chosen.pruned else None)

    def _row(self, ref: ItemRef | None, kind: Kind, title: str, source: Source, why: str, node: Seq = 0) -> Row:
        node = node if ref is None else ref.node
        is_pinned = ref is not None and node in self._chosen.pinned
        why += _PINNED if is_pinned and node <= self._upto else ""
        line, _, _ = title[:TITLE_CHARS].partition("\n")
        return Row(kind, line, 0, source, why, self._age(node), state="pinned" if is_pinned else None, ref=ref, node=node)

    def _checkpoint(self) -> Row:
        assert self._projection.checkpoint is not None
        line, checkpoint = self._projection.checkpoint
        folded = sum(record.type in ("user_said", "assistant_said") for record in self._branch if record.seq <= self._upto)
        why = f"stands for {folded:,} messages; {_COMPACTED[checkpoint.trigger]}"
        if left := len(open_items(self._projection.todo)):
            why += f"; with {left:,} open {'item' if left == 1 else 'items'} of the todo list"
        return Row("checkpoint", "summary", 0, "flowchat", why, self._age(line), node=line)

    # --- places ------------------------------------------------------------------------------------------------------
    def _age(self, seq: Seq) -> int:
        return len(self._said) - bisect_right(self._said, seq)

    def _place(self, seq: Seq) -> tuple[Seq, int]:
        return (seq, 0) if seq > self._upto else _FOLDED

    def _place_of(self, call_id: CallId) -> tuple[Seq, int]:
        said, place, _ = self._calls[call_id]
        return (said, place + 1) if said > self._upto else _FOLDED

    def _words(self, seq: Seq) -> str:
        entry = self._nodes[seq].entry
        return text_of(entry.parts) if isinstance(entry, AssistantSaid) else ""
