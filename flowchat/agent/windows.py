"""How large a window turns out to be: who refuses a request as too long has less room than was thought."""

from collections.abc import AsyncGenerator

from msgspec import structs

from flowchat.agent.agent import Agent
from flowchat.agent.projection import Projection
from flowchat.agent.tokens import tokens_of
from flowchat.model.model import ContextOverflow, Model, ModelFacts, ModelPiece, Request, WindowSource
from flowchat.transcript.entries import Noticed
from flowchat.transcript.facts import SessionFacts
from flowchat.transcript.transcript import Transcript

LEAST_TOKENS = 4_096
"""No server that names less room is believed: what it names is something else, or too little to work in."""
_TAKEN: dict[WindowSource, str] = {
    "server": "its server told",
    "table": "litellm's table gives it",
    "assumed": "that are assumed",
    "refused": "it was reckoned with",
}


def within_bounds(agent: Agent, transcript: Transcript) -> Agent:
    """The same, its models' windows no larger than what they refused in this session."""
    own, summariser = _Bounded(agent.model, transcript), _Bounded(agent.compact_model, transcript)
    return structs.replace(agent, model=own, compact_model=summariser)


def bounded(model: ModelFacts, facts: SessionFacts) -> ModelFacts:
    """What is known of a model, its window no larger than what it refused: as long as nobody says another window of it, and the
    settings say none."""
    window = model.window
    while model.window_source != "config" and (room := facts.rooms.get((model.name, window), window)) < window:
        window = room
    return model if window == model.window else structs.replace(model, window=window, window_source="refused")


def room_told(error: ContextOverflow, seen: Projection, model: ModelFacts) -> int:
    """The tokens there is room for at most, by a refusal of the request that `seen` gives; 0: nothing one could work with.

    Our own weight of the request counts where the model counted before, or answered without counting: of a first request it is
    a guess.
    """
    if error.room == 0:
        return 0
    weighed = seen.weigh(model.name)
    refused = weighed.tokens if weighed.source != "no_data" or seen.answers else model.window
    room = min(room_named(error, model) or model.window, refused)
    return room if 2 * tokens_of(seen.fixed) < room < model.window else 0


def room_named(error: ContextOverflow, model: ModelFacts) -> int:
    """The tokens a server says it has room for, where that is less than was thought and can be; else 0."""
    return error.room if error.room is not None and LEAST_TOKENS <= error.room < model.window else 0


def refused_notice(before: ModelFacts, after: ModelFacts, error: ContextOverflow) -> Noticed | None:
    """What to tell of a refusal: that the window is smaller now, or that the settings make it too large."""
    window = f'[models."{before.name}"] window = {room_named(error, before) or "N"}'
    if before.window_source == "config":
        words = f"{before.name} refused a request as too long, though config.toml gives it a window of {before.window:,} tokens"
        return Noticed("warning", "model", f"{words}: correct it there, {window}")
    if after.window == before.window:
        return None
    words = (
        f"{before.name} refused a request as too long: it has less room than the {before.window:,} tokens"
        f" {_TAKEN[before.window_source]}, so this session reckons with {after.window:,} from here on. To say it for good, in"
        f" config.toml: {window}"
    )
    return Noticed("warning", "model", words)


class _Bounded:
    """A model, its window as it turned out."""

    def __init__(self, model: Model, transcript: Transcript) -> None:
        self._model, self._transcript = model, transcript

    @property
    def facts(self) -> ModelFacts:
        return bounded(self._model.facts, self._transcript.facts)

    def stream(self, request: Request) -> AsyncGenerator[ModelPiece, None]:
        return self._model.stream(request)
