"""litellm's chunks as our pieces, and the whole answer when they have all come."""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, cast

from flowchat.model.model import CallPiece, ModelPiece, Reply, TextPiece, ThinkingPiece
from flowchat.transcript.entries import AssistantPart, Call, Finish, Text, Thinking, Usage

_FINISHES: dict[str, Finish] = {
    "tool_calls": "calls",
    "tool_use": "calls",
    "function_call": "calls",
    "length": "length",
    "max_tokens": "length",
    "content_filter": "filtered",
    "content_filtered": "filtered",
    "refusal": "filtered",
    "safety": "filtered",
}
_WANT_REASONING_BACK = frozenset({"deepseek", "moonshot"})
"""Providers that refuse a tool's answer unless the reasoning before the call comes back with it."""
_HALVES = re.compile("[\ud800-\udbff][\udc00-\udfff]")
ID_LIMIT_CHARS = 64
COUNT_LIMIT = 10**12
"""A server that counts more tokens than this does not count."""


class _Words:
    """A stretch of text or thinking that grows; `kept`: what its provider wants back with it."""

    def __init__(self, thinking: bool) -> None:
        self.thinking = thinking
        self.chunks: list[str] = []
        self.kept: dict[str, object] | None = None


class _CallInFlight:
    """A call that grows. Its pieces are held back until it has a name."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.id = self.name = ""
        self.args: list[str] = []
        self.told = False
        self.signature = ""


class Answer:
    """Takes chunks in order; owns what has been said so far."""

    def __init__(self, provider: str) -> None:
        self._provider = provider
        self._segments: list[_Words | _CallInFlight] = []
        self._by_wire_index: dict[int, _CallInFlight] = {}
        self._calls = 0
        self._halves: dict[str, str] = {}
        """The first half of a character whose second is in the next piece of the same stretch: "text", "thinking"."""

    @property
    def spoken(self) -> bool:
        """Whether anything at all was said."""
        return bool(self._segments)

    def take(self, chunk: Any) -> Sequence[ModelPiece]:
        """The pieces of one chunk, a ModelResponseStream of litellm; fields its delta does not have are normal."""
        if not chunk.choices:
            return ()
        delta = chunk.choices[0].delta
        content, reasoning = getattr(delta, "content", None), getattr(delta, "reasoning_content", None)
        blocks, calls = getattr(delta, "thinking_blocks", None), getattr(delta, "tool_calls", None)
        if content and (self._halves or _ends_in_half(content)):
            content = self._joined("text", content)
        if content and not reasoning and not blocks and not calls:
            self._words(False).chunks.append(content)
            return (TextPiece(content),)
        pieces: list[ModelPiece] = []
        if isinstance(reasoning, str) and reasoning and (reasoning := self._joined("thinking", reasoning)):
            self._words(True).chunks.append(reasoning)
            pieces.append(ThinkingPiece(reasoning))
        if blocks:
            self._keep(cast(Iterable[dict[str, Any]], blocks))
        if content:
            self._words(False).chunks.append(content)
            pieces.append(TextPiece(content))
        for call in calls or ():
            pieces.extend(self._call(call))
        return pieces

    def reply(self, finish_reason: str, usage: Usage | None, cost: float | None) -> Reply:
        """The whole answer. A call without a name is dropped; ids are made legal and distinct; no arguments are `{}`."""
        finish = _FINISHES.get(finish_reason.lower(), "stop")
        parts: list[AssistantPart] = []
        ids: set[str] = set()
        signatures: dict[str, str] = {}
        for segment in self._segments:
            if isinstance(segment, _Words):
                parts.append(self._settled(segment))
            elif segment.name:
                number = len(ids)
                args = _whole("".join(segment.args))
                if not args.strip() and finish != "length":
                    args = "{}"
                parts.append(Call(_distinct(segment.id, number, ids), segment.name, args))
                if segment.signature:
                    signatures[str(number)] = segment.signature
        if signatures:
            parts.append(Thinking("", self._provider, {"call_signatures": signatures}))
        if ids and finish == "stop":
            finish = "calls"
        return Reply(tuple(parts), finish, usage, cost)

    def _joined(self, stretch: str, piece: str) -> str:
        """The piece in whole characters: some servers cut between the two halves JSON writes an emoji in."""
        if half := self._halves.pop(stretch, ""):
            piece = _whole(half + piece)
        if _ends_in_half(piece):
            self._halves[stretch] = piece[-1]
            piece = piece[:-1]
        return piece

    def _words(self, thinking: bool) -> _Words:
        last = self._segments[-1] if self._segments else None
        if isinstance(last, _Words) and last.thinking == thinking and last.kept is None:
            return last
        words = _Words(thinking)
        self._segments.append(words)
        return words

    def _keep(self, blocks: Iterable[dict[str, Any]]) -> None:
        """Anthropic's signature ends a block of thinking; a redacted block is one by itself."""
        for block in blocks:
            if signature := block.get("signature"):
                self._words(True).kept = {"signature": signature}
            elif block.get("type") == "redacted_thinking":
                words = _Words(True)
                words.kept = {"redacted": block.get("data", "")}
                self._segments.append(words)

    def _settled(self, words: _Words) -> AssistantPart:
        text = "".join(words.chunks)
        if not words.thinking:
            return Text(text)
        kept = words.kept
        if kept is None and self._provider in _WANT_REASONING_BACK:
            kept = {"as": "reasoning_content"}
        return Thinking(text, self._provider, kept)

    def _call(self, fragment: Any) -> Iterable[ModelPiece]:
        function = fragment.function
        name, args = (function.name or "").strip(), function.arguments or ""
        call = self._by_wire_index.get(fragment.index or 0)
        if call is None or _begins_another(call, fragment.id or "", name, args):
            call = _CallInFlight(self._calls)
            self._calls += 1
            self._by_wire_index[fragment.index or 0] = call
            self._segments.append(call)
        call.id = call.id or fragment.id or ""
        call.name = call.name or name
        call.signature = call.signature or _signature(fragment)
        call.args.append(args)
        if not call.name:
            return ()
        if not call.told:
            call.told = True
            return (CallPiece(call.index, call.name, "".join(call.args)),)
        return (CallPiece(call.index, "", args),) if args else ()


def usage_of(reported: Any) -> Usage | None:
    """litellm's Usage as ours, None where it says nothing usable: missing, negative, beyond all measure, or all zero.

    `prompt_tokens` includes what came from the cache and what was written to it, for Anthropic too; a server that says more came
    from the cache than it read counts them apart.
    """
    if reported is None:
        return None
    prompt = getattr(reported, "prompt_tokens_details", None)
    completion = getattr(reported, "completion_tokens_details", None)
    counts = (
        _count(reported, "prompt_tokens"),
        _count(prompt, "cached_tokens") or _count(reported, "cache_read_input_tokens"),
        _count(reported, "cache_creation_input_tokens") or _count(prompt, "cache_creation_tokens"),
        _count(reported, "completion_tokens"),
        _count(completion, "reasoning_tokens"),
    )
    if min(counts) < 0 or not (counts[0] or counts[3]):
        return None
    read, cached, cache_write, *written = counts
    return Usage(read if cached <= read else read + cached + cache_write, cached, cache_write, *written)


def _count(holder: Any, name: str) -> int:
    """0 where it is missing, -1 where it is not a count."""
    value = getattr(holder, name, None)
    if not isinstance(value, int | float):
        return 0
    return int(value) if 0 <= value <= COUNT_LIMIT else -1


def _begins_another(call: _CallInFlight, id_: str, name: str, args: str) -> bool:
    """Whether a fragment at the same index opens the next call: some servers number every call 0, and some give no ids."""
    if not (name and call.name):
        return False
    if id_ and call.id:
        return id_ != call.id
    return bool(args.strip()) and _is_whole("".join(call.args))


def _is_whole(args: str) -> bool:
    try:
        return isinstance(json.loads(args), dict)
    except ValueError:
        return False


def _distinct(id_: str, number: int, taken: set[str]) -> str:
    legal = re.sub(r"[^A-Za-z0-9_-]", "_", id_)[:ID_LIMIT_CHARS] or f"call_{number}"
    while legal in taken:
        legal = f"{legal[: ID_LIMIT_CHARS - 8]}_{number}"
        number += 1
    taken.add(legal)
    return legal


def _ends_in_half(text: str) -> bool:
    return "\ud800" <= text[-1] <= "\udbff"


def _whole(text: str) -> str:
    """Two halves of a character side by side as the one they mean; half a one stays what it is."""
    return text if text.isascii() else _HALVES.sub(lambda pair: pair[0].encode("utf-16", "surrogatepass").decode("utf-16"), text)


def _signature(fragment: Any) -> str:
    """Gemini signs its calls and wants the signature back."""
    fields = getattr(fragment, "provider_specific_fields", None)
    return str(cast(dict[str, Any], fields).get("thought_signature") or "") if isinstance(fields, dict) else ""
