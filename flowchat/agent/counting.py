"""What the tokens a server reports of a request tell: some count all that was sent, some what no cache held, some cut it.

A count is taken for less than all only where no tokenizer could have made it. The best take about one token a word of any
language that has words (five or six bytes of English, twelve of Hindi), and those that join words not half as many. Blanks,
signs, tools, reasoning and images, which cost next to nothing with one and much with another, ask for nothing here.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

from flowchat.agent.projection import Projection
from flowchat.agent.timeline import SPARSE_BYTES
from flowchat.agent.tokens import tokens_of
from flowchat.model.model import AssistantMessage, Message, ModelFacts, Piece, ToolMessage, UserMessage
from flowchat.transcript.entries import AttemptUsed, Counted, Noticed, Usage
from flowchat.transcript.facts import SessionFacts
from flowchat.transcript.marks import own_words
from flowchat.transcript.transcript import Transcript

WORDS_PER_TOKEN = 2
SLACK_TOKENS = 64
"""What a server's own frame around a conversation may differ by from one request to the next."""
LEAST_CUT_TOKENS = 1_024
"""No server has less room: a smaller figure counts what was new to a cache, or nothing."""
_WORD = re.compile(r"[^\W_]+")


def judged(usage: Usage, seen: Projection, facts: SessionFacts, model: str) -> Counted:
    """What `usage.input` is, reported of the request that `seen` gives: all that was sent, a part of it (what no cache held, as
    far as can be told), or what was left of it when the server had cut it down to its window.

    It is judged by the request alone and by the surest whole count, which what was added since must have added to. Another model
    behind the same name may count less than the last, so that such a count is a cut only where the next do not grow either. And
    whoever counted a part once may have done so again.
    """
    whole, end = seen.timeline(model).surest, seen.end()
    room, doubted = usage.input + SLACK_TOKENS, _first_doubted(facts, model, end)
    if not usage.input or (doubted is None and room >= whole.tokens + (end - max(whole.position, seen.fixed)) // SPARSE_BYTES):
        return "all"
    edges, messages = seen.edges(), seen.sight().messages
    room += sum(map(_reasoning_bytes, messages)) // WORDS_PER_TOKEN
    is_short = _exceeds(_behind(whole.position, edges, messages), room - whole.tokens)
    if not is_short and doubted is None:
        return "all"
    if not usage.cached and _may_be_uncached(usage.input, edges, messages):
        return "part"
    if not is_short:
        return "all"
    if usage.input < LEAST_CUT_TOKENS:
        return "part"
    if _exceeds(messages, room):
        return "cut"
    if doubted is None or doubted.usage is None:
        return "part"
    return "cut" if _exceeds(_behind(doubted.sent_bytes, edges, messages), room - doubted.usage.input) else "part"


def least_tokens(seen: Projection, model: str) -> int:
    """What the request that `seen` gives takes at least, whatever its server may drop of earlier reasoning; 0: nothing was
    counted of it."""
    whole = seen.timeline(model).surest
    dropped = sum(map(_reasoning_bytes, seen.sight().messages)) // WORDS_PER_TOKEN
    return whole.tokens + (seen.end() - whole.position) // SPARSE_BYTES - dropped if whole.position else 0


def cut_notice(seen: Projection, transcript: Transcript, model: ModelFacts) -> Sequence[Noticed]:
    """What to tell of a server that cuts requests: the same words as long as the requests grow."""
    seen.follow(transcript.branch(), transcript.facts, model.provider)
    first = seen.first_cut(model.name) if seen.cut(model.name) else None
    if first is None or first.usage is None:
        return ()
    read = first.usage.input
    assumed = "that are assumed" if model.window_source == "assumed" else "that flowchat reckons with"
    words = (
        f"{model.name} read {read:,} of about {tokens_of(first.sent_bytes):,} tokens: its server cut off the beginning of the"
        f" conversation, as its window is smaller than the {first.window:,} tokens {assumed}; raise it there (Ollama: num_ctx or"
        f' OLLAMA_CONTEXT_LENGTH, llama.cpp: -c), or set it in config.toml: [models."{model.name}"] window = {_room(read)}'
    )
    return (Noticed("warning", "model", words),)


def _room(read: int) -> int:
    """The window a server most likely has that read so much."""
    return 1 << (read - 1).bit_length()


def _may_be_uncached(read: int, edges: Sequence[int], messages: Sequence[Message]) -> bool:
    """Whether the figure fits what was left to be read by a server that had the request before this one and its answer in a
    cache, or before the first all but what the user says; no text takes more tokens than bytes."""
    last = max((place for place, message in enumerate(messages) if isinstance(message, AssistantMessage)), default=None)
    fresh = edges[-1] - (edges[0] if last is None else edges[last])
    new = [_own_words(message) for message in messages] if last is None else messages[last + 1 :]
    return read <= fresh + SLACK_TOKENS and not _exceeds(new, read + SLACK_TOKENS)


def _first_doubted(facts: SessionFacts, model: str, end: int) -> AttemptUsed | None:
    """The first of the counts, since the last whole one, that were none."""
    first = None
    for used in reversed(facts.attempts.values()):
        if used.model != model or used.counted == "all" or used.sent_bytes > end:
            break
        first = used
    return first


def _behind(position: int, edges: Sequence[int], messages: Sequence[Message]) -> Sequence[Message]:
    return messages[bisect_left(edges, position) :]


def _exceeds(messages: Iterable[Message], tokens: int) -> bool:
    """Whether the messages have more words than so many tokens can hold."""
    left = tokens * WORDS_PER_TOKEN
    for message in messages:
        for text in _texts(message):
            left -= len(_WORD.findall(text))
            if left < 0:
                return True
    return left < 0


def _texts(message: Message) -> Iterator[str]:
    match message:
        case UserMessage(pieces=pieces):
            yield from (piece.text for piece in pieces)
        case AssistantMessage(text=text) | ToolMessage(text=text):
            yield text


def _own_words(message: Message) -> Message:
    """A user message without the context that was added to it, which another session may have sent before."""
    pieces = message.pieces if isinstance(message, UserMessage) else ()
    return UserMessage(tuple(Piece(text) for text in own_words((piece.text for piece in pieces), ("context",))))


def _reasoning_bytes(message: Message) -> int:
    """What a server may drop of an earlier request that it counted."""
    return sum(len(part.text) for part in message.reasoning) if isinstance(message, AssistantMessage) else 0
