"""The unusual states of a session (read-only, unsaved, elsewhere, editing) as one value, and their sentences."""

from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from flowchat.transcript.entries import Mode, QueueItem
from flowchat.ui.banner import Role
from flowchat.ui.keymap import DEFAULT, Keymap
from flowchat.ui.meter import Limits

if TYPE_CHECKING:
    from flowchat.runtime.session import Session
    from flowchat.runtime.workspace import Workspace


class Standing(Struct, frozen=True):
    """`read_only` and `unsaved` are sentences, `elsewhere` is the session's folder if it is not `here`, `editing` the number of
    the message that is being edited, `unanswered`: the last message can be taken back, `sandbox` its tier, once it is known."""

    model: str
    mode: Mode
    demo: bool
    title: str
    queue: tuple[QueueItem, ...]
    held: bool
    saved: bool
    here: Path
    limits: Limits
    read_only: str | None = None
    unsaved: str | None = None
    elsewhere: Path | None = None
    editing: int | None = None
    unanswered: bool = False
    sandbox: str | None = None
    jobs: int = 0

    def sentences(self, keymap: Keymap = DEFAULT) -> list[tuple[str, Role]]:
        """What is not as usual, the worst first."""
        rows: list[tuple[str, Role]] = []
        if self.unsaved is not None:
            rows.append((f"Not saved: {self.unsaved}", "bad"))
        if self.read_only is not None:
            why, _, instead = self.read_only.partition("; ")
            way = f"{instead[:1].upper()}{instead[1:]}"
            if not instead or "forked" in instead:  # which a key does here
                way = keymap.hint("reading", "opens a copy", "fork") or "/fork opens a copy"
            rows.append((f"{why[:1].upper()}{why[1:].rstrip('.')}. {way}", "warn"))
        if self.elsewhere is not None:
            rows.append((f"This session works in {self.elsewhere}", "accent"))
        if self.editing is not None:
            acts = {"submit": "resends as a new branch", "save": "saves in place", "escape": "cancels"}
            hints = ", ".join(hint for act, words in acts.items() if (hint := keymap.hint("chat", words, act)))
            rows.append((f"Editing message {self.editing}: {hints}", "accent"))
        return rows


def standing_of(session: "Session", workspace: "Workspace", saved: bool, editing: int | None) -> Standing:
    """How a session stands now, seen from a workspace."""
    failure, compact = session.transcript.unsaved, workspace.settings.compact
    return Standing(
        model=session.model,
        mode=session.mode,
        demo=session.demo,
        title=session.title,
        queue=session.queue,
        held=session.held,
        saved=saved,
        here=workspace.path,
        limits=Limits(*compact.limits),
        read_only=session.read_only,
        unsaved=None if failure is None else str(failure),
        elsewhere=None if session.workspace_path == workspace.path else session.workspace_path,
        editing=editing,
        unanswered=session.can_take_back,
        sandbox=workspace.sandbox.tier if workspace.sandbox is not None else None,
        jobs=len(session.background.running),
    )
