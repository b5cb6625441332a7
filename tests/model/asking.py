"""How the tests of this room ask a model: one request, all that came of it."""

import asyncio
from contextlib import aclosing

import pytest

from flowchat.config import ModelSettings
from flowchat.model.catalogue import facts_of
from flowchat.model.model import ModelPiece, Piece, Reply, Request, UserMessage
from flowchat.model.provider import Patience, ProviderModel
from flowchat.transcript.entries import ToolSchema
from tests.model.playing import Server

ANSWER_SECONDS = 60.0
"""The first answer of a process waits until litellm is loaded."""
OPENAI = "openai/bench-model"
ANTHROPIC = "anthropic/claude-sonnet-4-5"
VLLM = "hosted_vllm/bench-model"
KEY = "sk-1234567890abcdefghij"
READ_FILE = ToolSchema("read_file", "Read a file.", {"type": "object", "properties": {"path": {"type": "string"}}})
HELLO = Request("run", "Be brief.", (READ_FILE,), (UserMessage((Piece("Hello."),)),))
OVER_THE_WIRE = [
    pytest.mark.usefixtures("wire"),
    pytest.mark.filterwarnings("ignore:Accessing the 'model_:DeprecationWarning", "ignore:Pydantic serializer:UserWarning"),
]
"""Marks of a file whose tests go through litellm; the warnings are its own."""
KEYS = {"OPENAI_API_KEY": KEY, "ANTHROPIC_API_KEY": KEY}


def model_at(server: Server | str, name: str = OPENAI, patience: Patience | None = None, **blobs: bytes) -> ProviderModel:
    """A model of that name at a loopback server; `blobs` by sha256."""

    async def read(sha256: str) -> bytes | None:
        return blobs.get(sha256)

    base = server if isinstance(server, str) else server.base + ("" if name.startswith("anthropic/") else "/v1")
    return ProviderModel(facts_of(name, ModelSettings(), base), read, api_base=base, patience=patience)


async def heard(model: ProviderModel, request: Request = HELLO) -> list[ModelPiece]:
    async with asyncio.timeout(ANSWER_SECONDS), aclosing(model.stream(request)) as stream:
        return [piece async for piece in stream]


async def reply_of(model: ProviderModel, request: Request = HELLO) -> Reply:
    last = (await heard(model, request))[-1]
    assert isinstance(last, Reply)
    return last
