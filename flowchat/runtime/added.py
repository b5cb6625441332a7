"""What is appended so that the model knows something: by source and origin, with the sha256 that tells whether it has changed."""

import hashlib

from flowchat.agent.reading import Told
from flowchat.transcript.entries import ContextAdded, ContextSource, Noticed, Text


def changed(told: Told, source: ContextSource, origin: str, text: str) -> list[ContextAdded | Noticed]:
    """What to append of an origin that reads so now; nothing where the branch has it already."""
    return [] if told.get((source, origin)) == digest(text) else [added(source, origin, text)]


def added(source: ContextSource, origin: str, text: str) -> ContextAdded:
    return ContextAdded(source, origin, (Text(text),), digest(text))


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
