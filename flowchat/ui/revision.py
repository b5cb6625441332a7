"""The earlier message that is being edited in the composer, and what was written there before."""

from typing import TYPE_CHECKING, Literal

from flowchat.errors import Busy, FlowchatError
from flowchat.ui.composer import Composer
from flowchat.ui.unsent import Unsent

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

    @property
    def unsent(self) -> str:
        """The unsent text here: not an edit, but what was written before the edit began."""
        return self._composer.text if self._said is None else self._before

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

    async def finish(self, session: "Session", unsent: Unsent, text: str, action: Literal["resend", "save"]) -> None:
        """Send the message again, or replace its words; what waited in the queue comes back into the composer.

        Raises Busy the first time while a run goes on: a second resend is the consent to stop it; CommandRefused,
        StorageFailed. The edit then goes on, with `text` in the composer.
        """
        said = self._said
        if said is None:
            return
        if action == "resend" and session.state.state != "idle" and not self._consented:
            self._consented = True
            self._composer.load(text)
            raise Busy("a run is under way; send it again to stop the run and resend")
        self.leave()
        try:
            with unsent.left_to_session():
                kept = session.composer_text
                await session.edit(said.seq, text, action, interrupt=self._consented)
                returned = session.composer_text.removeprefix(kept).strip("\n")
        except FlowchatError:
            self.begin(said)
            self._composer.load(text)
            raise
        self._composer.append(returned)
