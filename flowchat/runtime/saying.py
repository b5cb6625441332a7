"""A message on its way in: made valid, never blank, never sent twice."""

import uuid

from flowchat.agent.inbox import Queue
from flowchat.errors import AlreadyExists, BlankMessage, NotFound, NotUserMessage
from flowchat.runtime.activity import Start
from flowchat.transcript.entries import Delivery, Record, Seq, Text, UserPart, UserSaid, sound
from flowchat.transcript.transcript import Transcript


def message(
    parts: tuple[UserPart, ...] | str, client_id: str | None = None, delivery: Delivery = "send", edits: Seq | None = None
) -> UserSaid:
    """What is to be said, lone surrogates replaced; raises BlankMessage where nothing is."""
    given = (Text(parts),) if isinstance(parts, str) else parts
    made = tuple(Text(sound(part.text)) if isinstance(part, Text) else part for part in given)
    if not any(not isinstance(part, Text) or part.text.strip() for part in made):
        raise BlankMessage("there is nothing to send")
    return UserSaid(client_id or uuid.uuid4().hex[:12], made, delivery, edits)


def said_before(said: UserSaid, transcript: Transcript, queue: Queue, waiting: Start | None) -> bool:
    """Whether this very message was given before; raises AlreadyExists where its id was used for another."""
    seq = transcript.facts.said.get(said.client_id)
    record = transcript.record(seq) if seq else None
    before = [record.entry.parts] if record is not None and isinstance(record.entry, UserSaid) else []
    before += [item.parts for item in queue if item.client_id == said.client_id]
    if waiting is not None and waiting.said is not None and waiting.said.client_id == said.client_id:
        before.append(waiting.said.parts)
    if before and before[0] != said.parts:
        raise AlreadyExists(f"message {said.client_id!r} already exists with another text")
    return bool(before)


def user_message(transcript: Transcript, node: Seq, on_branch: bool) -> Record:
    """The record of a user's message, on the head's branch or anywhere. Raises NotFound, NotUserMessage."""
    record = transcript.record(node)
    if record is None or not record.is_node or (on_branch and not transcript.on_branch(node)):
        raise NotFound(f"there is no message {node} in this session")
    if record.type != "user_said":
        raise NotUserMessage("only user messages can be edited")
    return record
