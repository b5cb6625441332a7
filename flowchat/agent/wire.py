"""What of a call every provider accepts back: its id, and its arguments."""

import json
from typing import Any

import msgspec

from flowchat.transcript.entries import CallId

_OBJECT = msgspec.json.Decoder(dict[str, Any])


def wire_id(call: CallId) -> str:
    """The id a provider is given for one of our calls: letters, digits and underscores, under 40 characters."""
    return "call_" + call.replace(".", "_")


def call_of(wire: str) -> CallId:
    """The call an id of `wire_id` names."""
    return wire.removeprefix("call_").replace("_", ".")


def object_text(args: str) -> str:
    """Raw argument text if it is a JSON object, else `{}`: what every provider accepts back."""
    try:
        _OBJECT.decode(args)
        return args
    except (ValueError, RecursionError):
        pass
    try:  # Python takes a little more for JSON
        return args if isinstance(json.loads(args), dict) else "{}"
    except (ValueError, RecursionError):
        return "{}"
