"""A model whose provider keeps the beginnings of requests, whole messages long, and reports how much of each it had kept.

A token is a byte.
"""

from collections.abc import AsyncGenerator, Sequence

from msgspec import structs

from flowchat.agent.tokens import fixed_bytes, message_bytes
from flowchat.model.model import AssistantCall, AssistantMessage, ModelFacts, ModelPiece, Reply, Request
from flowchat.model.scripted import ScriptedModel, Step
from flowchat.transcript.entries import Call, Text, Usage


class CachingModel:
    """Plays a script; `reports` False: it tells of no cached tokens. `forget` lets it forget."""

    def __init__(self, *script: Step, others: object = None, name: str = "scripted", reports: bool = True) -> None:
        facts = ModelFacts(name, name, 1_000_000, "config")
        self._script = ScriptedModel(*script, others=others, facts=facts)
        self._kept: list[list[object]] = []
        self._reports = reports
        self.asked = self._script.asked
        self.facts = facts

    def then(self, *steps: Step) -> None:
        self._script.then(*steps)

    def forget(self) -> None:
        self._kept.clear()

    async def stream(self, request: Request) -> AsyncGenerator[ModelPiece, None]:
        async for piece in self._script.stream(request):
            yield structs.replace(piece, usage=self._used(request, piece)) if isinstance(piece, Reply) else piece

    def _used(self, request: Request, reply: Reply) -> Usage:
        """Longest prefix: the parts that some earlier request began with, too."""
        parts: list[object] = [(request.system, request.tools), *request.messages]
        weights = [fixed_bytes(request.system, request.tools), *map(message_bytes, request.messages)]
        had = max((_in_common(kept, parts) for kept in self._kept), default=0)
        self._kept.append(parts)
        calls = tuple(AssistantCall(part.id, part.name, part.args) for part in reply.parts if isinstance(part, Call))
        text = "".join(part.text for part in reply.parts if isinstance(part, Text))
        written = message_bytes(AssistantMessage(text, calls))
        return Usage(sum(weights), sum(weights[:had]) if self._reports else 0, output=written)


def _in_common(one: Sequence[object], other: Sequence[object]) -> int:
    count = 0
    for mine, theirs in zip(one, other, strict=False):
        if mine != theirs:
            break
        count += 1
    return count
