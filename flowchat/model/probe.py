"""One small real call to a model: whether it answers, how soon, and whether it calls a tool."""

import asyncio
from contextlib import aclosing
from time import perf_counter

from msgspec import Struct

from flowchat.errors import ModelError
from flowchat.model.model import Model, Piece, Reply, Request, UserMessage, WindowSource
from flowchat.transcript.entries import Call, ToolSchema

PROBE_SECONDS = 20.0
"""How long the whole call may take."""
ANSWER_TOKENS = 1_024
"""Enough for a model that thinks first, little enough to cost nothing."""
_TOOL = ToolSchema(
    "report_ready",
    "Report that you are ready.",
    {"type": "object", "properties": {"ready": {"type": "boolean"}}, "required": ["ready"]},
)
_REQUEST = Request(
    "run",
    "You test a connection.",
    (_TOOL,),
    (UserMessage((Piece("Call report_ready with ready set to true. Write nothing else."),)),),
    max_output_tokens=ANSWER_TOKENS,
)


class Probed(Struct, frozen=True, gc=False):
    """What one call told: `latency_ms` up to the first piece of the answer; `error` is the sentence where there was none."""

    model: str
    window: int
    window_source: WindowSource
    latency_ms: int | None = None
    called_tool: bool = False
    error: str = ""

    @property
    def sentence(self) -> str:
        """All of it for a person."""
        if self.error:
            return self.error
        origin = {"config": "from the settings", "server": "told by the server", "table": "known"}
        tools = "calls tools" if self.called_tool else "answered without calling the tool it was asked to call"
        window = f"window {self.window:,} ({origin.get(self.window_source, self.window_source)})"
        return f"{self.model} answers: first token after {self.latency_ms:,} ms, {window}, {tools}"


async def probe(model: Model, seconds: float = PROBE_SECONDS) -> Probed:
    """Ask the model to call one tool. Raises nothing: an error is in what is given back, without a key in it."""
    facts, begun = model.facts, perf_counter()
    first: float | None = None
    called = False
    error = ""
    try:
        async with asyncio.timeout(seconds), aclosing(model.stream(_REQUEST)) as stream:
            async for piece in stream:
                first = first or perf_counter()
                if isinstance(piece, Reply):
                    called = any(isinstance(part, Call) and part.name == _TOOL.name for part in piece.parts)
    except ModelError as failure:
        error = str(failure)
    except TimeoutError:
        what = "did not answer" if first is None else "began an answer but did not end it"
        error = f"{facts.name} {what} within {seconds:g} s; where its server is still loading it, try again in a minute"
    latency = None if error or first is None else round((first - begun) * 1000)
    return Probed(facts.name, facts.window, facts.window_source, latency, called and not error, error)
