"""Every model litellm can reach, and litellm itself: the only file that imports it, late and in a thread of its own."""

import asyncio
import gc
import logging
import os
import re
import sys
import threading
import warnings
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from concurrent.futures import Future
from contextlib import aclosing
from functools import partial
from time import perf_counter
from types import ModuleType
from typing import Any

from msgspec import Struct, structs

from flowchat.config import redactor
from flowchat.errors import StorageFailed
from flowchat.model import discover, wrapper
from flowchat.model.answer import Answer, usage_of
from flowchat.model.catalogue import TableRow
from flowchat.model.failures import Place, as_wire_error, bad_address, missing_key
from flowchat.model.model import (
    AuthFailed,
    ConnectionLost,
    EmptyResponse,
    Malformed,
    ModelFacts,
    ModelPiece,
    Refused,
    Request,
    WireError,
)
from flowchat.model.servers import OLLAMA
from flowchat.model.watch import Expired, Watch
from flowchat.model.wire import arguments, blobs_of, family_of
from flowchat.transcript.entries import Finish, Text

YIELD_SECONDS = 0.004
"""How long a fast stream may keep the loop to itself."""
SWITCH_SECONDS = 0.0005
"""The interpreter's switch interval while litellm is imported beside a live screen."""
ENVIRONMENT = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else a request for the price table
    "LITELLM_MODE": "PRODUCTION",  # else the workspace's .env is read into our environment
}
_IMPORTED_LATE = (
    "openai.resources",
    "openai.lib.streaming.chat",
    "anyio._backends._asyncio",
    "litellm._service_logger",
    "litellm.llms.openai.openai",
    "litellm.llms.anthropic.chat.handler",
    "litellm.llms.anthropic.completion.transformation",
    "litellm.llms.fal_ai.chat.transformation",
    "litellm.llms.hosted_vllm.chat.transformation",
    "litellm.llms.custom_httpx.aiohttp_transport",
)
"""What a first request would import on the loop otherwise: 0.3 s of it (measured with litellm 1.106.2)."""
_log = logging.getLogger(__name__)
_OLLAMA = re.compile("^ollama/")
"""litellm reaches this name over Ollama's /api/generate, which knows no tools; /api/chat does."""
_GATEWAY = "litellm.responses.mcp.litellm_proxy_mcp_handler"
_TOKEN_TABLE = "litellm.litellm_core_utils.default_encoding"
_LOGGERS = ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy")
_NO_KEY = "none"
"""What a local server that wants no key is sent: the libraries insist on one."""

BlobReader = Callable[[str], Awaitable[bytes | None]]
"""The bytes of a blob by its sha256, None if it is gone."""
KeyReader = Callable[[str], Awaitable[str | None]]
"""The key the user gave to flowchat for a provider, None if there is none. Raises StorageFailed where it cannot be reached."""


async def _no_key(provider: str) -> None:
    return None


class Patience(Struct, frozen=True, gc=False):
    """How long a stream may take, in seconds: without a byte, without a piece although bytes come, in all, and from the end of
    the answer to that of the stream, where the usage is told."""

    idle_seconds: float = 90.0
    pieceless_seconds: float = 600.0
    total_seconds: float = 3_600.0
    usage_seconds: float = 5.0


class ProviderModel:
    """One model reached through litellm."""

    def __init__(
        self,
        facts: ModelFacts,
        read_blob: BlobReader,
        *,
        api_base: str | None = None,
        patience: Patience | None = None,
        environ: Mapping[str, str] = os.environ,
        read_key: KeyReader = _no_key,
    ) -> None:
        self._facts = facts
        self._read_blob = read_blob
        self._patience = patience or Patience()
        self._environ, self._read_key = environ, read_key
        self._base = api_base or discover.api_base(facts.provider, environ)
        self._server = discover.host_of(self._base) if self._base else facts.provider or facts.name
        self._family = family_of(facts.provider, facts.name)

    @property
    def facts(self) -> ModelFacts:
        return self._facts

    @property
    def api_base(self) -> str | None:
        """The server's address where it is not the provider's own."""
        return self._base

    def learn(self, facts: ModelFacts) -> None:
        """Better facts of the same model: from the next request on."""
        self._facts = structs.replace(facts, name=self._facts.name, provider=self._facts.provider)

    async def stream(self, request: Request) -> AsyncGenerator[ModelPiece, None]:
        """As in Model.stream. No retries here: one request, one connection, which ends with the generator."""
        if not self._server:
            raise bad_address(redactor(self._environ)(str(self._base)))
        provider, local = self._facts.provider, discover.is_loopback(self._base)
        variable = discover.key_set(provider, self._environ)
        key = None if variable else await self._kept_key()
        if not variable and not key and not local and (names := discover.key_names(provider)):
            raise missing_key(provider, names)
        blobs = {blob.sha256: await self._read_blob(blob.sha256) for blob in blobs_of(request)}
        sent = arguments(request, self._family, blobs)
        sent |= {
            "model": _OLLAMA.sub("ollama_chat/", self._facts.name),
            "api_base": self._base,
            "timeout": self._patience.idle_seconds,
        }
        if key or (variable is None and local):
            sent["api_key"] = key or _NO_KEY
        if provider in OLLAMA and self._facts.window_source == "config":
            sent["num_ctx"] = self._facts.window  # else it drops what its own, smaller, default has no room for
        watch = Watch(self._patience.pieceless_seconds, self._patience.total_seconds)
        try:
            litellm = await loaded()
            with watch:
                chunks = await litellm.acompletion(**sent, **_ALWAYS)
            async with wrapper.hanging_up(chunks), aclosing(self._pieces(chunks, watch)) as pieces:
                async for piece in pieces:
                    yield piece
        except WireError:
            raise
        except Expired as error:
            raise ConnectionLost(f"{self._server} sent nothing new for too long, though the connection stayed open") from error
        except Exception as error:
            failure = as_wire_error(error, self._place(variable, key))
            _log.info("%s: %s from %s", self._facts.name, failure.code, type(error).__name__)
            raise failure from error
        finally:
            watch.close()

    async def _pieces(self, chunks: Any, watch: Watch) -> AsyncGenerator[ModelPiece, None]:
        """The stream's pieces and its Reply."""
        answer, usage, finish = Answer(self._facts.provider), None, ""
        take, following = answer.take, chunks.__anext__
        breath = perf_counter()
        while True:
            try:
                with watch:
                    chunk = await following()
            except StopAsyncIteration:
                break
            except Exception:
                if not finish or not wrapper.finished(chunks):
                    raise
                break  # the answer is whole: what is lost is its usage
            for piece in take(chunk):
                yield piece
            if (now := perf_counter()) - breath >= YIELD_SECONDS:
                await asyncio.sleep(0)
                breath = now
            if chunk.choices and (reason := chunk.choices[0].finish_reason):
                finish = str(reason)
                watch.hurry(self._patience.usage_seconds)
            if (usage := getattr(chunk, "usage", None)) is not None:
                break
        counted = usage_of(usage)
        cost = self._cost(usage) if counted else None
        try:
            self._check_end(chunks, answer)
            reply = answer.reply(finish, counted, cost)
            if all(isinstance(part, Text) and not part.text.strip() for part in reply.parts):
                raise self._said_nothing(reply.finish)
        except WireError as error:
            error.having_used(counted, cost)
            raise
        yield reply

    def _said_nothing(self, finish: Finish) -> WireError:
        name = self._facts.name
        match finish:
            case "filtered":
                return Refused(
                    f"{self._server} withheld the answer of {name} (content filter): rephrase, or change the model with /model"
                )
            case "length":
                return EmptyResponse(
                    f"{name} ran out of tokens before it answered: /compact, or choose another model with /model"
                )
            case _:
                return EmptyResponse(f"{name} gave an empty answer; try again, or choose another model with /model")

    def _check_end(self, chunks: Any, answer: Answer) -> None:
        """litellm makes up a "stop" where a stream just ended: only what the server said counts."""
        if wrapper.finished(chunks):
            return
        media = wrapper.media(chunks)
        if not answer.spoken and media and "event-stream" not in media:
            size = wrapper.size(chunks)
            what = media if size is None else f"{media}, {size:,} bytes"
            raise Malformed(f"{self._server} sent no answer but {what}: check that its address is that of a model's API")
        raise ConnectionLost(f"{self._server} stopped in the middle of the answer")

    def _cost(self, usage: Any) -> float | None:
        """In USD, from litellm's table or the provider's own count; None where the table has no price."""
        cost = getattr(usage, "cost", None)
        return float(cost) if isinstance(cost, int | float) and cost > 0 else None

    async def _kept_key(self) -> str | None:
        try:
            return await self._read_key(self._facts.provider)
        except StorageFailed as error:
            raise AuthFailed(str(error)) from error

    def _place(self, variable: str | None, key: str | None) -> Place:
        origin = f" in {variable}" if variable else f" kept for {self._facts.provider}" if key else ""
        return Place(self._facts.name, self._server, origin, redactor({**self._environ, "KEPT_KEY": key or ""}))


_ALWAYS: dict[str, Any] = {
    "stream": True,
    "stream_options": {"include_usage": True},
    "max_retries": 0,
    "num_retries": 0,
    "drop_params": True,
    "_skip_mcp_handler": True,  # 1.106.2 wants the mcp package for any call with tools otherwise
}


# --- litellm ---------------------------------------------------------------------------------------------------------
_starting = threading.Lock()
_litellm: "Future[Any] | None" = None


def warm_up() -> None:
    """Begin to load litellm in a thread, once; returns at once. Call it after the first paint."""
    global _litellm
    with _starting:
        if _litellm is None:
            _litellm = Future()
            threading.Thread(target=_load, args=(_litellm,), name="litellm", daemon=True).start()


async def loaded() -> Any:
    """The litellm module, loaded by now. Raises Refused if it cannot be."""
    warm_up()
    assert _litellm is not None
    if _litellm.done():
        return _litellm.result()
    return await asyncio.shield(asyncio.wrap_future(_litellm))


def table_row(model: str) -> TableRow | None:
    """What litellm's table says of a model; None while litellm is not loaded, and for a name the table does not have."""
    if _litellm is None or not _litellm.done() or _litellm.exception() is not None:
        return None
    try:
        info: Mapping[str, Any] = _litellm.result().get_model_info(model)
    except Exception:
        return None
    return TableRow(
        window=info.get("max_input_tokens") or info.get("max_tokens"),
        max_output=info.get("max_output_tokens"),
        calls_tools=info.get("supports_function_calling") is not False,
        input_price=info.get("input_cost_per_token"),
        cached_price=info.get("cache_read_input_token_cost"),
        output_price=info.get("output_cost_per_token"),
    )


async def table_of(provider: str) -> list[tuple[str, TableRow]]:
    """The models litellm's table knows of a provider that answer in a conversation, by name. Raises Refused if it cannot load."""
    litellm = await loaded()
    known: Mapping[str, Mapping[str, Any]] = litellm.model_cost
    names: set[str] = set(litellm.models_by_provider.get(provider, ()))
    talking = [name for name in names if known.get(name, {}).get("mode") in ("chat", "responses")]
    whole = sorted(name if name.startswith(f"{provider}/") else f"{provider}/{name}" for name in talking)
    return [(name, table_row(name) or TableRow()) for name in whole]


async def close() -> None:
    """Let go of litellm's idle connections before the loop closes; nothing where it was never loaded."""
    if _litellm is not None and _litellm.done() and _litellm.exception() is None:
        await _litellm.result().close_litellm_async_clients()


def _load(future: "Future[Any]") -> None:
    """Measured (2 cores): 2.3 CPU s and 250 ms collections without gc off and freeze, 1.3 s and none with them."""
    os.environ.update(ENVIRONMENT)
    collecting, interval = gc.isenabled(), sys.getswitchinterval()
    gc.disable()
    sys.setswitchinterval(SWITCH_SECONDS)
    module, failed = None, None
    try:
        module = _import_quietly()
        _first_call(module)
    except BaseException as error:  # a panic of its native parts included: whoever waits for it must hear of its end
        failed = Refused(f"litellm cannot be loaded ({type(error).__name__}: {error}); reinstall flowchat, or use -m demo")
    gc.freeze()
    sys.setswitchinterval(interval)
    if collecting:
        gc.enable()
    if failed is None:
        future.set_result(module)
    else:
        future.set_exception(failed)


def _import_quietly() -> Any:
    import importlib

    warnings.filterwarnings("ignore", module=r"(litellm|pydantic|openai|httpx|aiohttp)(\.|$)")  # they go to stderr: the screen
    import litellm

    ours = logging.getLogger("flowchat.litellm")
    ours.addHandler(logging.NullHandler())
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers[:] = []
        logger.setLevel(logging.WARNING)
        logger.parent = ours
    sys.modules.setdefault(_GATEWAY, _no_gateway())
    wrapper.mend(importlib.import_module("litellm.llms.base_llm.base_model_iterator").BaseModelResponseIterator)
    main: Any = importlib.import_module("litellm.main")
    main.encoding = _LateTable()
    settings: Any = litellm
    settings.suppress_debug_info = True
    settings.telemetry = False
    settings.REPEATED_STREAMING_CHUNK_LIMIT = sys.maxsize  # else 100 equal chunks end a stream
    settings.callbacks = []
    settings.disable_hf_tokenizer_download = True
    settings.disable_token_counter = True  # where the server reports no usage it would make one up
    return litellm


def _no_gateway() -> ModuleType:
    """Stands in for litellm's MCP gateway, which we never use: importing it wants the mcp package, before any flag is looked at,
    for every model that is reached over OpenAI's Responses (1.106.2)."""

    class NoGateway:
        @staticmethod
        def should_use_litellm_mcp_gateway(tools: object) -> bool:
            return False

    module = ModuleType(_GATEWAY)
    module.__dict__["LiteLLM_Proxy_MCP_Handler"] = NoGateway
    return module


class _LateTable:
    """Stands in for the table tokens are counted with: litellm hands it to most requests, and where the server counts no one
    looks into it. Whoever does loads it then: 39 MB, 0.1 s (1.106.2)."""

    def __getattr__(self, name: str) -> Any:
        import importlib

        return getattr(importlib.import_module(_TOKEN_TABLE).encoding, name)


def _first_call(litellm: Any) -> None:
    """A call that leaves the process nowhere: what is imported and built at the first one is there then."""
    import importlib

    for name in _IMPORTED_LATE:
        try:
            importlib.import_module(name)
        except ImportError:
            _log.info("another litellm than the one measured: it has no %s", name)
    answer = partial(litellm.completion, model="openai/warm-up", messages=[{"role": "user", "content": "?"}], mock_response="!")
    for _ in answer(stream=True):
        pass
