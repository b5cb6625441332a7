"""How the screen begins: what the command line asked for, and the session that follows from it."""

from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from flowchat.transcript.entries import Mode
from flowchat.ui.colours import Colours

if TYPE_CHECKING:
    from flowchat.runtime.session import Session
    from flowchat.runtime.workspace import Workspace


class Start(Struct, frozen=True):
    """How to begin.

    `resume` names a session (id, its beginning, or title), empty: the person picks; None: a new one, or with `newest` the
    last of this workspace. `prompt` is sent at once. `ascii`: no glyph outside ASCII. `colours`: what the terminal can show.
    `log`: the file that tells of a crash.
    """

    prompt: str = ""
    newest: bool = False
    resume: str | None = None
    saved: bool = True
    mode: Mode | None = None
    model: str | None = None
    ascii: bool = False
    colours: Colours = Colours()
    log: Path | None = None

    @property
    def picks(self) -> bool:
        """Whether the person picks the first session."""
        return self.resume == ""


async def first(workspace: "Workspace", start: Start) -> "Session":
    """The session to begin with; where the person picks, a new one until then. Raises NotFound, StorageFailed."""
    if start.resume:
        return await workspace.open(start.resume, mode=start.mode, model=start.model)
    if start.newest and (session := await workspace.open_newest(mode=start.mode, model=start.model)) is not None:
        return session
    return await another(workspace, start)


async def another(workspace: "Workspace", start: Start, model: str | None = None) -> "Session":
    """A new session, kept or not as the first one; `model`: the one chosen since."""
    return await workspace.new(saved=start.saved, mode=start.mode, model=model or start.model)
