"""What an empty conversation begins with: where it is, why its model is ready, what it will be told, what was done here last."""

from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from flowchat.config import Settings
from flowchat.model import discover
from flowchat.model.catalogue import settings_of
from flowchat.runtime.project import git_branch, instruction_files

if TYPE_CHECKING:
    from flowchat.runtime.workspace import Workspace
    from flowchat.store.cards import SessionCard


class Greeting(Struct, frozen=True):
    """`reason` is a clause, `instructions` are paths, `last` the sessions of the folder, the newest first; `skills` counts those
    in use, `skills_waiting` those that wait for trust.

    `waiting` counts what of the folder waits for trust, or, where it is `trusted`, to be approved.
    """

    branch: str = ""
    reason: str = ""
    instructions: tuple[Path, ...] = ()
    last: "tuple[SessionCard, ...]" = ()
    trusted: bool = False
    waiting: int = 0
    skills: int = 0
    skills_waiting: int = 0


def greet(workspace: "Workspace", model: str) -> Greeting:
    """For an empty conversation with a model; blocks for the disk, raises nothing."""
    reason = reason_of(model, workspace.environ, workspace.settings, workspace.choosing.key_places())
    config_folder = workspace.folders.config if workspace.folders else None
    instructions = tuple(instruction_files(workspace.path, config_folder))
    look = workspace.trust.look(workspace.path)
    branch, cards = git_branch(workspace.path) or "", tuple(workspace.cards())
    states = Counter(skill.state for skill in workspace.skills(workspace.path).look().skills)
    return Greeting(
        branch, reason, instructions, cards, bool(look.trusted_by), len(look.waiting), states["on"], states["untrusted"]
    )


def reason_of(model: str, environ: Mapping[str, str], settings: Settings, kept: Collection[str]) -> str:
    """Why a model can be asked: the variable that holds its key, or the machine it is on; empty where nothing tells."""
    provider = discover.provider_of(model)
    base = settings_of(model, settings).api_base or discover.api_base(provider, environ)
    if discover.is_loopback(base):
        return f"on this machine, {discover.host_of(str(base))}"
    variable = discover.key_set(provider, environ)
    return f"key from {variable}" if variable else f"the key kept for {provider}" if provider in kept else ""
