"""What a session is called: its first words at once, a generated title later, and the user's own above both."""

import asyncio
import logging
from contextlib import aclosing

from flowchat.errors import FlowchatError
from flowchat.model.model import Model, Piece, Reply, Request, UserMessage
from flowchat.transcript.clean import clean
from flowchat.transcript.entries import AssistantSaid, AttemptUsed, Text, TitleSet, UserSaid, text_of
from flowchat.transcript.transcript import Transcript

WORDS = 6
LENGTH_LIMIT_CHARS = 80
EXCERPT_CHARS = 400
TIMEOUT_SECONDS = 10.0
PROMPT = (
    "Give this conversation a title of 3 to 6 words, in the language it is held in. Answer with the title alone:"
    " no quotes, no full stop."
)
_log = logging.getLogger(__name__)


def first_words(text: str) -> str:
    """A title from a message: its first six words, at most 80 characters."""
    words = clean(text).split()
    title = " ".join(words[:WORDS]) + ("…" if len(words) > WORDS else "")
    return title if len(title) <= LENGTH_LIMIT_CHARS else title[: LENGTH_LIMIT_CHARS - 1] + "…"


class Titling:
    """Makes a session's title in the background, at most one at a time."""

    def __init__(self, transcript: Transcript) -> None:
        self._transcript = transcript
        self._task: asyncio.Task[None] | None = None

    def begin(self, model: Model) -> None:
        busy = self._task is not None and not self._task.done()
        if self._transcript.facts.title_origin == "first_words" and not busy:
            self._task = asyncio.create_task(generate_title(model, self._transcript))

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)


async def generate_title(model: Model, transcript: Transcript) -> None:
    """Once, best effort: replaces a title made of first words, never one the user gave; a failure is only logged."""
    excerpt = _excerpt(transcript)
    if transcript.facts.title_origin != "first_words" or excerpt is None:
        return
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            reply = await _ask(model, excerpt)
    except (FlowchatError, TimeoutError) as error:
        _log.info("no title: %s", error)
        return
    if reply is None:
        return
    used = AttemptUsed(0, 0, 1, "title", model.facts.name, reply.usage, reply.cost, model.facts.window)
    title = " ".join(clean("".join(part.text for part in reply.parts if isinstance(part, Text))).split()).strip("\"'`“”. ")
    if title and transcript.facts.title_origin == "first_words":
        await transcript.append(used, TitleSet(title[:LENGTH_LIMIT_CHARS], "generated"))
    else:
        await transcript.append(used)


async def _ask(model: Model, excerpt: str) -> Reply | None:
    request = Request("title", PROMPT, (), (UserMessage((Piece(excerpt),)),), (), 64)
    async with aclosing(model.stream(request)) as pieces:
        async for piece in pieces:
            if isinstance(piece, Reply):
                return piece
    return None


def _excerpt(transcript: Transcript) -> str | None:
    """The first words of both sides; None before there is an answer."""
    asked = answered = ""
    for record in transcript.branch():
        entry = record.entry
        if isinstance(entry, UserSaid) and not asked:
            asked = text_of(entry.parts)[:EXCERPT_CHARS]
        elif isinstance(entry, AssistantSaid):
            answered = text_of(entry.parts)[:EXCERPT_CHARS]
            if answered:
                return f"User: {asked}\n\nAgent: {answered}"
    return None
