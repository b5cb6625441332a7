"""How a session is called, who answers in it and what is allowed there: as its log says, or would if it had begun."""

from collections.abc import Callable

from flowchat.errors import BlankMessage
from flowchat.runtime.beginning import Beginning
from flowchat.transcript.entries import Mode, ModelSet, ModeSet, TitleSet
from flowchat.transcript.transcript import Transcript


class Manner:
    """`changed` is called when the log has a new title or model."""

    def __init__(self, beginning: Beginning, transcript: Transcript, changed: Callable[[], None]) -> None:
        self._beginning, self._transcript, self._changed = beginning, transcript, changed

    @property
    def title(self) -> str:
        return self._transcript.facts.title or self._beginning.title

    @property
    def model(self) -> str:
        return self._transcript.facts.model or self._beginning.model

    @property
    def mode(self) -> Mode:
        return self._transcript.facts.mode if self._transcript.head else self._beginning.mode

    async def set_title(self, title: str) -> None:
        words = " ".join(title.split())
        if not words:
            raise BlankMessage("a title needs at least one letter: /rename TITLE")
        self._beginning.title = words
        if self._transcript.head:
            await self._transcript.append_or_withdraw(TitleSet(words, "user"))
            self._changed()

    async def set_model(self, name: str) -> None:
        self._beginning.model = name
        if self._transcript.head:
            await self._transcript.append_or_withdraw(ModelSet(name))
            self._changed()

    async def set_mode(self, mode: Mode) -> None:
        self._beginning.mode = mode
        if self._transcript.head:
            await self._transcript.append(ModeSet(mode))
