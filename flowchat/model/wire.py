"""A Request as litellm's arguments: pure, and the same request always gives the same bytes."""

import base64
import hashlib
import re
from collections.abc import Mapping
from typing import Any, cast

from msgspec import Struct

from flowchat.model.model import AssistantMessage, Message, Piece, Request, ToolMessage, UserMessage
from flowchat.transcript.entries import BlobRef
from flowchat.transcript.marks import inert

Blobs = Mapping[str, bytes | None]
"""The bytes of a request's blobs by sha256; None: gone."""
CACHE = {"type": "ephemeral"}
MISTRAL_ID_CHARS = 9
"""Mistral refuses other tool call ids: `^[a-zA-Z0-9]{9}$`."""
NAME_LIMIT_CHARS = 64
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CLAUDE_HOSTS = ("bedrock", "vertex_ai", "openrouter", "azure_ai", "litellm_proxy")


class Family(Struct, frozen=True, gc=False):
    """What a provider's models want done differently."""

    provider: str
    marks_cache: bool
    """A cache ends where we say so (Anthropic's models); the others find the prefix by themselves."""
    marks_calls: bool
    """Such a mark may also lie on a call and on its answer."""
    short_ids: bool


def family_of(provider: str, model: str) -> Family:
    claude = provider == "anthropic" or (provider in _CLAUDE_HOSTS and "claude" in model)
    return Family(
        provider, claude, claude and provider not in ("openrouter", "litellm_proxy"), provider in ("mistral", "codestral")
    )


def blobs_of(request: Request) -> tuple[BlobRef, ...]:
    """The blobs a request names, each once, in order."""
    pieces = (piece for message in request.messages if isinstance(message, UserMessage) for piece in message.pieces)
    return tuple({piece.blob.sha256: piece.blob for piece in pieces if piece.blob is not None}.values())


def arguments(request: Request, family: Family, blobs: Blobs) -> dict[str, Any]:
    """What of litellm's arguments depends on the request: messages, tools, max_tokens, reasoning_effort, temperature."""
    marked = frozenset(request.marks) if family.marks_cache else frozenset[int]()
    messages = [_message(message, index in marked, family, blobs) for index, message in enumerate(request.messages)]
    if request.system:
        messages.insert(0, {"role": "system", "content": _content(request.system, -1 in marked)})
    made: dict[str, Any] = {"messages": messages}
    if request.tools:
        made["tools"] = [
            {"type": "function", "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters}}
            for tool in request.tools
        ]
    if request.max_output_tokens is not None:
        made["max_tokens"] = request.max_output_tokens
    if request.effort:
        made["reasoning_effort"] = request.effort
    if request.temperature is not None:
        made["temperature"] = request.temperature
    return made


def legal_id(call: str, family: Family) -> str:
    """A tool call id in the family's form; the same id always becomes the same one."""
    if not family.short_ids:
        return call
    number = int.from_bytes(hashlib.sha256(call.encode()).digest()[:8], "big")
    digits: list[str] = []
    for _ in range(MISTRAL_ID_CHARS):
        number, digit = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[digit])
    return "".join(digits)


def legal_name(name: str) -> str:
    """A tool's name as every provider takes it back; a model may have called for one that cannot exist."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)[:NAME_LIMIT_CHARS] or "_"


def _message(message: Message, marked: bool, family: Family, blobs: Blobs) -> dict[str, Any]:
    match message:
        case UserMessage():
            return {"role": "user", "content": _user_content(message.pieces, marked, blobs)}
        case AssistantMessage():
            return _assistant(message, marked, family)
        case ToolMessage():
            made: dict[str, Any] = {
                "role": "tool",
                "tool_call_id": legal_id(message.call_id, family),
                "name": legal_name(message.name),
                "content": message.text,
            }
            return {**made, "cache_control": CACHE} if marked and family.marks_calls else made


def _content(text: str, marked: bool) -> str | list[dict[str, Any]]:
    """One text: a plain string, unless a mark has to lie on it."""
    return [{"type": "text", "text": text, "cache_control": CACHE}] if marked and text else text


def _user_content(pieces: tuple[Piece, ...], marked: bool, blobs: Blobs) -> str | list[dict[str, Any]]:
    """Texts that touch are one text: local servers take a string more readily than a list."""
    parts: list[str | dict[str, Any]] = []
    for piece in pieces:
        part = piece.text if piece.blob is None else _blob(piece.blob, blobs.get(piece.blob.sha256))
        if piece.inert and isinstance(part, str):
            part = inert(part)
        if isinstance(part, str) and parts and isinstance(before := parts[-1], str):
            parts[-1] = before + ("" if before.endswith("\n") or part.startswith("\n") else "\n") + part
        elif part:
            parts.append(part)
    if all(isinstance(part, str) for part in parts):
        return _content("".join(part for part in parts if isinstance(part, str)), marked)
    listed = [{"type": "text", "text": part} if isinstance(part, str) else part for part in parts]
    if marked:
        listed[-1] = {**listed[-1], "cache_control": CACHE}
    return listed


def _blob(blob: BlobRef, content: bytes | None) -> str | dict[str, Any]:
    if content is None:
        return f"[blob {blob.sha256} missing]"
    if blob.media.startswith("image/"):
        url = f"data:{blob.media};base64,{base64.b64encode(content).decode('ascii')}"
        return {"type": "image_url", "image_url": {"url": url}}
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return f"[blob {blob.sha256}: {len(content):,} bytes of {blob.media}, not shown]"


def _assistant(message: AssistantMessage, marked: bool, family: Family) -> dict[str, Any]:
    text = message.text if message.text.strip() else ""
    made: dict[str, Any] = {"role": "assistant", "content": _content(text, marked and not message.calls) or None}
    calls: list[dict[str, Any]] = [
        {
            "id": legal_id(call.id, family),
            "type": "function",
            "function": {"name": legal_name(call.name), "arguments": call.args},
        }
        for call in message.calls
    ]
    if calls:
        made["tool_calls"] = calls
        if marked and family.marks_calls:
            calls[-1]["cache_control"] = CACHE
    for reasoning in message.reasoning:
        if isinstance(kept := reasoning.data, dict):
            _hand_back(made, calls, reasoning.text, cast(dict[str, Any], kept))
    return made


def _hand_back(made: dict[str, Any], calls: list[dict[str, Any]], text: str, kept: dict[str, Any]) -> None:
    """Reasoning as its provider wants it back; `kept` is what answer.py kept of it."""
    if "signature" in kept:
        block = {"type": "thinking", "thinking": text, "signature": kept["signature"]}
        made.setdefault("thinking_blocks", []).append(block)
    elif "redacted" in kept:
        made.setdefault("thinking_blocks", []).append({"type": "redacted_thinking", "data": kept["redacted"]})
    elif "call_signatures" in kept:
        for index, signature in kept["call_signatures"].items():
            if int(index) < len(calls):
                calls[int(index)]["provider_specific_fields"] = {"thought_signature": signature}
    elif kept.get("as") == "reasoning_content":
        made["reasoning_content"] = made.get("reasoning_content", "") + text
