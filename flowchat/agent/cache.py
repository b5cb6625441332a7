"""What the provider's cache gave, request by request, and where it gave less than it could, why: each against the one before."""

from collections.abc import Sequence
from typing import Literal, TypeAlias

from msgspec import Struct, structs

from flowchat.agent.messages import CHECKPOINT_PREFACE
from flowchat.agent.prefix import Match, Prefixes, key
from flowchat.agent.prompt import Sight
from flowchat.agent.requests import Sent, sent
from flowchat.agent.tokens import tokens_of
from flowchat.model.model import AssistantMessage, Message, ModelFacts, ToolMessage, UserMessage
from flowchat.transcript.entries import (
    AttemptUsed,
    Compacted,
    CompactionUndone,
    Edited,
    ItemsSet,
    PromptSet,
    Purpose,
    Record,
    Seq,
    Usage,
    UserSaid,
)
from flowchat.transcript.marks import closing, opening, own_words

LEAST_TOKENS = 1_024
"""What providers keep at least: of a shorter beginning nothing is expected."""
FORGOTTEN_PERCENT = 50
"""Where less of what was expected came from the cache it was forgotten; a little less is the size of the provider's blocks."""
BEGINNING_CHARS = 200
"""Of a part of a request that is listed."""
FIRST = "the first request"
FORGOTTEN = "the provider forgot it"
FIRST_TO_MODEL = "the first request to this model"
OTHER_EFFORT = "another effort"
NEVER_TOLD = "this provider tells of no cached tokens"
UNEXPLAINED = "what came before reads differently"
_REASONS = {
    "upgrade": "another version of flowchat",
    "agent": "another agent",
    "mcp": "other tools of a server",
    "settings": "other settings",
}
_TRIGGERS = {
    "soft": "compacted after a run",
    "hard": "compacted at the hard limit",
    "overflow": "compacted when the window was full",
    "user": "compacted by you",
}
_TELLING = frozenset(
    {"prompt_set", "compacted", "compaction_undone", "items_set", "edited", "user_said", "head_moved"},
)
"""The lines that tell why a request begins otherwise."""
_FORGOTTEN = (FORGOTTEN, OTHER_EFFORT)
_SUMMARY = f"{opening('summary')}{CHECKPOINT_PREFACE}\n\n"


class Difference(Struct, frozen=True, gc=False):
    """The first part of a request that is not as it was: the prompt, or message `number`, from 1, which begins at a node."""

    part: Literal["system prompt", "tools", "message"]
    number: int = 0
    node: Seq = 0

    def __str__(self) -> str:
        return f"message {self.number} (node {self.node})" if self.number else f"the {self.part}"


class Asked(Struct, frozen=True, gc=False):
    """One request. `usage` None: no tokens were told of it; `error`: how it failed.

    `cause`: why it did not read from the cache all that the request before had held; empty where it did. `since_ms`: how long
    after that it came, where that may be why. `kept`: tokens of that one it begins with; `again`: tokens it read anew though
    they had been sent.
    """

    line: Seq
    at_ms: int
    run: Seq
    step: int
    purpose: Purpose
    model: str
    usage: Usage | None
    error: str | None = None
    cause: str = ""
    since_ms: int = 0
    kept: int = 0
    again: int = 0
    differs: Difference | None = None

    @property
    def cached(self) -> int:
        return self.usage.cached if self.usage else 0

    @property
    def uncached(self) -> int:
        return self.usage.input - self.usage.cached if self.usage else 0


Fate: TypeAlias = Literal["kept", "again", "new"]


class Segment(Struct, frozen=True, gc=False):
    """A part of a request: `what` it is, the node it begins at (0: none), how it begins, its tokens.

    `fate`: it stands where it stood in the request before (kept), was sent in that and stands behind something new (again), or
    is new. `cached`: whether the provider's cache held it; untold where no tokens were told of the request, and then they are
    estimated.
    """

    what: str
    node: Seq
    beginning: str
    tokens: int
    fate: Fate
    cached: Literal["all", "part", "none", "untold"]


def diagnose(records: Sequence[Record]) -> list[Asked]:
    """Every request of a session since it began or was forked, in the order of its log, which is `records`. It takes a while."""
    asked: list[Asked] = []
    requests, prefixes = sent(records), Prefixes()
    for record in records:
        if record.type == "forked":
            asked.clear()
        elif record.type == "attempt_used" and isinstance(used := record.entry, AttemptUsed):
            one = Asked(record.seq, record.at_ms, used.run, used.step, used.purpose, used.model, used.usage, used.error)
            asked.append(_examined(one, prefixes.match(next(requests)), records) if used.purpose == "run" else one)
    telling = {one.model for one in asked if one.cached}
    return [one if one.model in telling or one.cause not in _FORGOTTEN else _untold(one) for one in asked]


def segments(records: Sequence[Record], line: Seq) -> list[Segment]:
    """The parts of the request of a run that was told of on this line, in order. It takes as long as `diagnose`."""
    prefixes = Prefixes()
    for request in sent(records):
        match = prefixes.match(request)
        if request.record.seq == line:
            return _segments(match)
    return []


def dollars_lost(asked: Asked, facts: ModelFacts | None) -> float | None:
    """What `again` cost more than it would have from the cache; None where the model's prices are not known."""
    if not asked.again:
        return 0.0
    if facts is None or facts.input_price is None or facts.cached_price is None:
        return None
    return asked.again * max(0.0, facts.input_price - facts.cached_price)


# --- one request after the other -------------------------------------------------------------------------------------
def _examined(asked: Asked, match: Match, records: Sequence[Record]) -> Asked:
    if asked.usage is None and asked.error is not None:
        return structs.replace(asked, cause=f"failed ({asked.error})")
    if match.before is None:
        return structs.replace(asked, cause=FIRST)
    before, now = match.before, match.now
    kept = 0 if match.is_other_model or match.same < 0 else match.tokens_upto(match.same)
    if match.is_other_model or not match.is_whole:
        again = max(0, match.tokens_again() - asked.cached) if asked.usage else 0
        cause = FIRST_TO_MODEL if match.is_other_model else _causes(before, now, records)
        return structs.replace(asked, cause=cause, kept=kept, again=again, differs=_difference(match, before.sight, now.sight))
    if asked.usage is None or kept < LEAST_TOKENS or asked.cached * 100 >= kept * FORGOTTEN_PERCENT:
        return structs.replace(asked, kept=kept)
    cause = FORGOTTEN if before.effort == now.effort else OTHER_EFFORT
    since_ms = max(0, asked.at_ms - before.record.at_ms)
    return structs.replace(asked, cause=cause, since_ms=since_ms, kept=kept, again=kept - asked.cached)


def _untold(asked: Asked) -> Asked:
    return structs.replace(asked, cause=NEVER_TOLD, since_ms=0, again=0)


def _difference(match: Match, old: Sight, new: Sight) -> Difference | None:
    if match.is_whole:
        return None
    if match.same < 0:
        return Difference("tools" if old.system == new.system else "system prompt")
    return Difference("message", match.same + 1, new.starts[match.same])


# --- causes ----------------------------------------------------------------------------------------------------------
def _causes(before: Sent, now: Sent, records: Sequence[Record]) -> str:
    """What the log tells between two requests, of why the later one begins otherwise."""
    told: dict[str, None] = {}
    moved = False
    for record in records[before.record.seq : now.record.seq - 1]:
        if record.type == "head_moved":
            moved = True
        elif record.type in _TELLING and (words := _told(record, now)):
            told[words] = None
    return ", ".join(told) or ("another branch" if moved else UNEXPLAINED)


def _told(record: Record, now: Sent) -> str:
    match record.entry:
        case PromptSet(reason=reason):
            return _REASONS[reason]
        case Compacted(trigger=trigger) if record.seq == now.checkpoint:
            return _TRIGGERS[trigger]
        case CompactionUndone(undone=undone):
            return "a compaction was undone" if undone else "a compaction was made again"
        case ItemsSet(items=items, state=state, with_checkpoint=None):
            return f"{len(items)} {'item was' if len(items) == 1 else 'items were'} {state}"
        case Edited():
            return "a message was edited in place"
        case UserSaid(edits=int()):
            return "an earlier message was edited"
        case _:
            return ""


# --- one request -----------------------------------------------------------------------------------------------------
def _segments(match: Match) -> list[Segment]:
    sight, used = match.now.sight, match.now.used
    cached, was = used.usage.cached if used.usage else 0, match.behind()
    parts: list[tuple[str, Seq, str, Fate]] = []
    parts.append(("system prompt and tools", 0, sight.system, "kept" if match.same >= 0 else "new"))
    for index, (message, node) in enumerate(zip(sight.messages, sight.starts, strict=True)):
        fate: Fate = "kept" if index < match.same else "again" if key(message) in was else "new"
        parts.append((*_described(message, node), fate))
    found: list[Segment] = []
    begin = 0
    for number, (what, node, beginning, fate) in enumerate(parts):
        end = match.tokens_upto(number) if used.usage else tokens_of(match.now.ends[number])
        held = "untold" if used.usage is None else "all" if end <= cached else "part" if begin < cached else "none"
        found.append(Segment(what, node, beginning[:BEGINNING_CHARS], end - begin, fate, held))
        begin = end
    return found


def _described(message: Message, node: Seq) -> tuple[str, Seq, str]:
    match message:
        case UserMessage(pieces=pieces):
            texts = [piece.text if piece.blob is None else f"[{piece.blob.media}]" for piece in pieces]
            summary = next((text for text in texts if text.startswith(_SUMMARY)), None)
            if summary is not None:
                return "checkpoint", node, summary.removeprefix(_SUMMARY).removesuffix(closing("summary"))
            said = next((text for text in own_words(texts) if text.strip()), "")
            return ("user", node, said) if said else ("context", node, "".join(texts))
        case AssistantMessage(text=text, calls=calls):
            return "assistant", node, text.strip() or ", ".join(call.name for call in calls)
        case ToolMessage(name=name, text=text):
            return f"answer to {name}", node, text
