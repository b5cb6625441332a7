"""What a model is to the rest of the program: a request in, deltas and one Reply out, or one error of a small tree.

ModelError
├── AuthFailed        the key was refused or is missing: permanent
├── UnknownModel      no provider knows the name, or the server does not: permanent
├── Refused           the request itself was refused (bad request, billing, policy): permanent
├── ContextOverflow   the request is longer than the window: compact, then once more
├── RateLimited       wait `retry_after_seconds`, then the same request
├── Overloaded        the server's own trouble (5xx): again after a while
├── ConnectionLost    refused, cut off or silent for too long: again after a while
├── Malformed         bytes that are not an answer: tried again after a while
├── Overlong          an answer larger than is kept of one: permanent
└── EmptyResponse     an answer without text, thinking or calls: again once
"""

from collections.abc import AsyncGenerator
from typing import ClassVar, Literal, Protocol, Self, TypeAlias, final

from msgspec import Struct

from flowchat.errors import ModelError
from flowchat.transcript.entries import AssistantPart, BlobRef, Finish, Purpose, ToolSchema, Usage


class _WireError(ModelError):
    permanent: ClassVar[bool] = False

    def __init__(self, sentence: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(sentence)
        self.retry_after_seconds = retry_after_seconds
        self.usage: Usage | None = None
        self.cost: float | None = None

    def having_used(self, usage: Usage | None, cost: float | None) -> Self:
        """The same, of a request whose server told what it took although it failed."""
        self.usage, self.cost = usage, cost
        return self


class AuthFailed(_WireError):
    code = "auth"
    permanent = True


class UnknownModel(_WireError):
    code = "unknown_model"
    permanent = True


class Refused(_WireError):
    code = "refused"
    permanent = True


class ContextOverflow(_WireError):
    """`room`: the tokens the server says it has room for; None: it does not say; 0: what was too long was none of tokens."""

    code = "context_overflow"
    permanent = True

    def __init__(self, sentence: str, room: int | None = None) -> None:
        super().__init__(sentence)
        self.room = room


class RateLimited(_WireError):
    code = "rate_limited"


class Overloaded(_WireError):
    code = "overloaded"


class ConnectionLost(_WireError):
    code = "connection"


class Malformed(_WireError):
    code = "malformed"


class Overlong(_WireError):
    code = "malformed"
    permanent = True


class EmptyResponse(_WireError):
    code = "empty_response"


WireError: TypeAlias = _WireError
"""Any error of the tree above."""


# --- the request -----------------------------------------------------------------------------------------------------
class Piece(Struct, frozen=True, gc=False):
    """A stretch of user-role content: a text, or a blob whose bytes the provider reads through the reader it was given.

    `inert`: the blob stands between marks of ours, which its text must not be able to end.
    """

    text: str = ""
    blob: BlobRef | None = None
    inert: bool = False


@final
class UserMessage(Struct, frozen=True, gc=False, tag="user"):
    pieces: tuple[Piece, ...]


class AssistantCall(Struct, frozen=True, gc=False):
    """`id` is ours made legal for the wire; `args` a JSON object as text."""

    id: str
    name: str
    args: str


class Reasoning(Struct, frozen=True, gc=False):
    """Reasoning to hand back, only to the provider it came from; `data` unchanged."""

    text: str
    provider: str
    data: object = None


@final
class AssistantMessage(Struct, frozen=True, gc=False, tag="assistant"):
    text: str = ""
    calls: tuple[AssistantCall, ...] = ()
    reasoning: tuple[Reasoning, ...] = ()


@final
class ToolMessage(Struct, frozen=True, gc=False, tag="tool"):
    call_id: str
    name: str
    text: str


Message: TypeAlias = UserMessage | AssistantMessage | ToolMessage


class Request(Struct, frozen=True, gc=False):
    """One model call. `marks` are indexes into messages (and -1 for the system prompt) where a provider's cache ends well."""

    purpose: Purpose
    system: str
    tools: tuple[ToolSchema, ...]
    messages: tuple[Message, ...]
    marks: tuple[int, ...] = ()
    max_output_tokens: int | None = None
    effort: str | None = None
    temperature: float | None = None


# --- the answer ------------------------------------------------------------------------------------------------------
class TextPiece(Struct, frozen=True, gc=False):
    text: str


class ThinkingPiece(Struct, frozen=True, gc=False):
    text: str


class CallPiece(Struct, frozen=True, gc=False):
    """A fragment of call number `index`; `name` only in its first fragment, `args` the next raw text."""

    index: int
    name: str
    args: str


class Reply(Struct, frozen=True, gc=False):
    """The end of a stream: the whole answer. `usage` and `cost` (USD) are None where nothing usable was reported."""

    parts: tuple[AssistantPart, ...]
    finish: Finish
    usage: Usage | None = None
    cost: float | None = None


ModelPiece: TypeAlias = TextPiece | ThinkingPiece | CallPiece | Reply


WindowSource: TypeAlias = Literal["config", "server", "table", "assumed", "refused"]
"""Who says how large a window is; refused: a request that was too long for it tells at most how large."""


class ModelFacts(Struct, frozen=True, gc=False):
    """What is known of a model. `window` and `max_output` in tokens; prices in USD per token, None where unknown."""

    name: str
    provider: str
    window: int
    window_source: WindowSource
    max_output: int | None = None
    calls_tools: bool = True
    input_price: float | None = None
    cached_price: float | None = None
    output_price: float | None = None


class Model(Protocol):
    """One model, ready to be asked."""

    @property
    def facts(self) -> ModelFacts: ...

    def stream(self, request: Request) -> AsyncGenerator[ModelPiece, None]:
        """Deltas as they arrive, then exactly one Reply, the last item.

        Raises a WireError, at any point, and nothing else. A generator that is left early must be closed
        (`contextlib.aclosing`): the connection ends with it.
        """
        ...


def usable_tokens(facts: ModelFacts) -> int:
    """The window less the answer reserve: the model's maximum output, at most 20 % of the window; unknown: 4,096, same cap."""
    return facts.window - answer_reserve(facts)


def answer_reserve(facts: ModelFacts) -> int:
    return min(facts.max_output or 4_096, facts.window // 5)
