"""The built-in demo model: offline and deterministic, no language model, but it really calls the tools.

It reads simple requests ("read README.md", "grep TODO in src") and, once the tools have answered, quotes what they said.
"""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

from flowchat.model.demo_requests import Wanted, read_request
from flowchat.model.demo_text import HELP, long_answer
from flowchat.model.discover import DEMO
from flowchat.model.model import (
    AssistantMessage,
    CallPiece,
    Message,
    ModelFacts,
    ModelPiece,
    Reply,
    Request,
    TextPiece,
    ThinkingPiece,
    ToolMessage,
    UserMessage,
)
from flowchat.transcript.entries import AssistantPart, Call, Text, Thinking, Usage
from flowchat.transcript.marks import own_words

FACTS = ModelFacts(DEMO, DEMO, 32_768, "table", max_output=6_144)
OPENING = "Demo model (offline, not a language model)"
"""The first words of every answer to the user."""
PAUSE_SECONDS = 0.005
"""Between two words: fast enough to be useful, slow enough to see that it streams."""
QUOTED_LINES = 12
QUOTED_CHARS = 1_200
TITLE_WORDS = 6
BYTES_A_TOKEN = 4

Sleep = Callable[[float], Awaitable[None]]


class DemoModel:
    """`sleep` is its clock: awaited with `pause_seconds` between words, and with 0 where that is 0."""

    def __init__(self, sleep: Sleep = asyncio.sleep, pause_seconds: float = PAUSE_SECONDS) -> None:
        self._sleep = sleep
        self._pause_seconds = pause_seconds

    @property
    def facts(self) -> ModelFacts:
        return FACTS

    async def stream(self, request: Request) -> AsyncGenerator[ModelPiece, None]:
        """As in Model.stream; it never fails."""
        thinking, text, calls = _answer(request)
        for kind, passage in ((ThinkingPiece, thinking), (TextPiece, text)):
            for word in re.findall(r"^\s+|\S+\s*", passage):
                yield kind(word)
                await self._sleep(self._pause_seconds)
        parts: list[AssistantPart] = [Thinking(thinking)] if thinking else []
        if text:
            parts.append(Text(text))
        for index, (name, args) in enumerate(calls):
            raw = json.dumps(args, ensure_ascii=False)
            yield CallPiece(index, name, "")
            yield CallPiece(index, "", raw)
            parts.append(Call(f"call_{index}", name, raw))
        said = thinking + text + "".join(part.args for part in parts if isinstance(part, Call))
        usage = Usage(input=_weight(request) // BYTES_A_TOKEN, output=max(1, len(said.encode()) // BYTES_A_TOKEN))
        yield Reply(tuple(parts), "calls" if calls else "stop", usage)


Answer = tuple[str, str, Sequence[tuple[str, dict[str, object]]]]
"""Thinking, text, calls."""


def _answer(request: Request) -> Answer:
    if request.purpose == "title":
        return "", _title(_last_words(request.messages)), ()
    if request.purpose == "compact":
        return "", _summary(_last_words(request.messages)), ()
    last_user = max((i for i, message in enumerate(request.messages) if isinstance(message, UserMessage)), default=-1)
    wanted = read_request(_last_words(request.messages))
    answered = request.messages[last_user + 1 :]
    step = sum(1 for message in answered if isinstance(message, AssistantMessage) and message.calls)
    if step < len(wanted.steps):
        return _call(wanted, step, request)
    if step:
        said = max(i for i, message in enumerate(answered) if isinstance(message, AssistantMessage) and message.calls)
        return "", _report(wanted, [message for message in answered[said:] if isinstance(message, ToolMessage)]), ()
    return wanted.thinking, f"{OPENING}. {_talk(wanted)}", ()


def _call(wanted: Wanted, step: int, request: Request) -> Answer:
    calls = wanted.steps[step]
    there = {tool.name for tool in request.tools}
    if missing := sorted({name for name, _ in calls} - there):
        return "", f"{OPENING}. I would call {', '.join(missing)} now, but this session does not offer it.", ()
    opening = f"{OPENING}: " if step == 0 else ""
    return wanted.thinking if step == 0 else "", f"{opening}{wanted.announcements[step]}", calls


def _report(wanted: Wanted, results: Sequence[ToolMessage]) -> str:
    parts = [f"{OPENING}. {wanted.report or 'The tools answered:'}"]
    parts += [f"`{result.name}` says:\n\n{_quote(result.text)}" for result in results]
    return "\n\n".join(parts) + "\n"


def _quote(text: str) -> str:
    """The beginning of a text in a fence longer than any in it."""
    lines = text[:QUOTED_CHARS].rstrip("\n").split("\n")
    kept = lines[:QUOTED_LINES]
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", text)), default=0))
    rest = text.rstrip("\n").count("\n") + 1 - len(kept)
    more = f"\n\n… and {rest} more line{'s' if rest > 1 else ''}." if rest > 0 else ""
    return f"{fence}\n" + "\n".join(kept) + f"\n{fence}{more}"


def _talk(wanted: Wanted) -> str:
    if wanted.kind == "long":
        return long_answer()
    if wanted.kind == "think":
        return f"I have streamed some thinking about {wanted.topic or 'nothing in particular'}; it means nothing."
    return HELP


def _last_words(messages: Sequence[Message]) -> str:
    """What the user said last, without what the program put beside it."""
    for message in reversed(messages):
        if isinstance(message, UserMessage):
            texts = [text for text in own_words(piece.text for piece in message.pieces) if text.strip()]
            if texts:
                return texts[-1]
    return ""


# --- titles and summaries --------------------------------------------------------------------------------------------
def _title(excerpt: str) -> str:
    said = excerpt.partition("User: ")[2].partition("\n\nAgent: ")[0] or excerpt
    return " ".join(said.split()[:TITLE_WORDS])


def _summary(told: str) -> str:
    """Five sections made of the messages' own first lines: nothing is understood, nothing is made up."""
    lines = [line for line in told.splitlines() if line.strip()]
    asked = [line.removeprefix("User: ")[:200] for line in lines if line.startswith("User: ")]
    answers = [line.removeprefix("Agent: ")[:200] for line in lines if line.startswith("Agent: ")]
    called = [line for line in lines if line.startswith("[call ")]
    before = [
        line
        for line in told.partition("Summary so far:\n")[2].partition("What followed:")[0].splitlines()
        if line.startswith("- ")
    ]
    done = [*before[:20], *(f"- {answer}" for answer in answers[-8:])]
    sections = (
        ("Done", [f"(copied by the demo model: {len(asked)} messages, {len(called)} calls)", *done]),
        ("Active", [f"- {asked[-1]}" if asked else "- nothing"]),
        ("Decisions", ["- none that the demo model could tell"]),
        ("User directives", [f"- {line}" for line in asked[-12:]] or ["- none"]),
        ("Current work", [f"- {answers[-1]}" if answers else "- nothing"]),
    )
    return "\n\n".join(f"## {title}\n" + "\n".join(body) for title, body in sections)


def _weight(request: Request) -> int:
    """The request in bytes, as far as it is text."""
    weight = len(request.system.encode())
    weight += sum(len(tool.description.encode()) + len(json.dumps(tool.parameters)) for tool in request.tools)
    for message in request.messages:
        match message:
            case UserMessage(pieces=pieces):
                weight += sum(len(piece.text.encode()) + (piece.blob.bytes if piece.blob else 0) for piece in pieces)
            case AssistantMessage(text=text, calls=calls):
                weight += len(text.encode()) + sum(len(call.args.encode()) for call in calls)
            case ToolMessage(text=text):
                weight += len(text.encode())
    return weight
