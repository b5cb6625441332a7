"""The earlier message that is being edited in the composer, and what was written there before."""

from typing import TYPE_CHECKING, Literal

from flowchat.errors import Busy
from flowchat.ui.composer import Composer

if TYPE_CHECKING:
    from flowchat.runtime.session import Session
    from flowchat.ui.message_picker import Said


class Revision:
    """At most one message at a time."""

    def __init__(self, composer: Composer) -> None:
        self._composer = composer
        self._said: Said | None = None
        self._before = ""
        self._consented = False

    @property
    def number(self) -> int | None:
        """The number of the message, or None while none is edited."""
        return None if self._said is None else self._said.number

    def begin(self, said: "Said") -> None:
        if self._said is None:
            self._before = self._composer.text
        self._said, self._consented = said, False
        self._composer.load(said.text)

    def leave(self) -> None:
        """Give the composer back what was in it."""
        if self._said is not None:
            self._said = None
            self._composer.load(self._before)

    async def finish(self, session: "Session", action: Literal["resend", "save"]) -> None:
        """Say the message anew, or lay the new words over it.

        Raises Busy the first time while a run goes on: a second resend is the consent to stop it; CommandRefused, StorageFailed.
        """
        if self._said is None:
            return
        if action == "resend" and session.state.state != "idle" and not self._consented:
            self._consented = True
            raise Busy("a run is under way; Enter again stops it and resends")
        await session.edit(self._said.seq, self._composer.text, action, interrupt=self._consented)
        self.leave()
        if action == "resend" and session.composer_text:
            self._composer.load(session.composer_text)
