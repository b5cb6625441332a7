"""A model that plays a script, one list of steps per purpose: the fake at the wire for tests, deterministic to the piece."""

import asyncio
import json
from collections.abc import AsyncGenerator, Iterable, Mapping
from typing import TypeAlias

from msgspec import Struct

from flowchat.errors import ModelError
from flowchat.model.model import CallPiece, ModelFacts, ModelPiece, Reply, Request, TextPiece, ThinkingPiece
from flowchat.transcript.entries import AssistantPart, Call, Finish, Purpose, Text, Thinking, Usage


class Says(Struct, frozen=True):
    """One answer: thinking, then text word by word, then calls as (name, arguments or raw text)."""

    text: str = ""
    thinking: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    usage: Usage | None = None
    finish: Finish | None = None
    cost: float | None = None


class Fails(Struct, frozen=True):
    """An answer that breaks off: `error` is raised after the pieces of `after`."""

    error: ModelError
    after: Says = Says()


class Waits(Struct, frozen=True):
    """An answer held at a point: `reached` is set when `before` has been streamed, the rest follows once `gate` is set."""

    gate: asyncio.Event
    reached: asyncio.Event
    before: Says
    then: "Says | Fails"


Step: TypeAlias = Says | Fails | Waits
UNSCRIPTED: Mapping[Purpose, str] = {"compact": "## Done\nok"}


def says(
    text: str = "",
    *,
    thinking: str = "",
    calls: Iterable[tuple[str, Mapping[str, object] | str]] = (),
    usage: Usage | None = None,
    finish: Finish | None = None,
) -> Says:
    """An answer; arguments given as a mapping are written as JSON, as a text they are sent as they are."""
    raw = tuple((name, args if isinstance(args, str) else json.dumps(dict(args))) for name, args in calls)
    return Says(text, thinking, raw, usage, finish)


def fails(error: ModelError, after: str = "") -> Fails:
    return Fails(error, Says(after))


def waits(before: str = "", then: "Says | Fails | None" = None) -> Waits:
    """Hold the stream after `before` until `gate` is set; `then` (default: nothing more) ends the answer."""
    return Waits(asyncio.Event(), asyncio.Event(), Says(before), then or Says())


class ScriptedModel:
    """Plays `run` steps in order, and those of other purposes from `others`; one that was never scripted gets UNSCRIPTED or "ok".

    `requests` are those it received. Raises AssertionError, naming the request, when a script has run out.
    """

    def __init__(
        self, *run: Step, others: Mapping[Purpose, Iterable[Step]] | None = None, facts: ModelFacts | None = None
    ) -> None:
        self.facts = facts or ModelFacts("scripted", "scripted", 100_000, "config")
        self.requests: list[Request] = []
        self._scripts: dict[Purpose, list[Step]] = {"run": list(run)}
        self._scripts |= {purpose: list(steps) for purpose, steps in (others or {}).items()}

    def then(self, *steps: Step) -> None:
        """Add to the script of runs."""
        self._scripts["run"] += steps

    def asked(self, purpose: Purpose = "run") -> list[Request]:
        return [request for request in self.requests if request.purpose == purpose]

    async def stream(self, request: Request) -> AsyncGenerator[ModelPiece, None]:
        self.requests.append(request)
        script = self._scripts.get(request.purpose)
        if script is None:
            yield Reply((Text(UNSCRIPTED.get(request.purpose, "ok")),), "stop")
            return
        assert script, f"the script has run out at request {len(self.requests)}: {request}"
        step = script.pop(0)
        before = Says()
        if isinstance(step, Waits):
            for piece in _pieces(step.before):
                yield piece
            step.reached.set()
            await step.gate.wait()
            before, step = step.before, step.then
        if isinstance(step, Fails):
            for piece in _pieces(step.after):
                yield piece
            raise step.error
        for piece in _pieces(step):
            await asyncio.sleep(0)
            yield piece
        yield _reply(before, step)


def _pieces(step: Says) -> Iterable[TextPiece | ThinkingPiece | CallPiece]:
    for word in _words(step.thinking):
        yield ThinkingPiece(word)
    for word in _words(step.text):
        yield TextPiece(word)
    for index, (name, args) in enumerate(step.calls):
        half = len(args) // 2
        yield CallPiece(index, name, args[:half])
        yield CallPiece(index, "", args[half:])


def _reply(before: Says, step: Says) -> Reply:
    parts: list[AssistantPart] = []
    if before.thinking + step.thinking:
        parts.append(Thinking(before.thinking + step.thinking))
    if before.text + step.text:
        parts.append(Text(before.text + step.text))
    calls = before.calls + step.calls
    parts += [Call(f"call_{index}", name, args) for index, (name, args) in enumerate(calls)]
    return Reply(tuple(parts), step.finish or ("calls" if calls else "stop"), step.usage, step.cost)


def _words(text: str) -> list[str]:
    return [word + " " for word in text.split(" ")[:-1]] + ([text.split(" ")[-1]] if text.split(" ")[-1] else [])
