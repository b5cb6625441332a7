"""Which paths nothing general frees: what others run or follow later, places of keys, flowchat's own folders."""

from pathlib import Path

from flowchat.tools.guard import NAMES_ALWAYS, NAMES_IF_THERE, SHELL_START_FILES
from flowchat.tools.rules import Ground
from flowchat.tools.tool import Reach

INSTRUCTION_NAMES = ("AGENTS.override.md", "AGENTS.md", "CLAUDE.md", "GEMINI.md")
"""What is read as instructions of a folder: the first of these that is there."""
SKILL_NAME = "SKILL.md"
"""What is read as a skill."""
_FOLLOWED = {name.casefold() for name in (*INSTRUCTION_NAMES, SKILL_NAME)}
PROTECTED_NAMES = frozenset({".git", *NAMES_ALWAYS, *NAMES_IF_THERE, *SHELL_START_FILES, *_FOLLOWED})
"""A path with one of these names in it is never written without being asked for, whatever the case of its letters."""
SECRET_NAMES = frozenset({".ssh", ".gnupg", ".aws", ".netrc", ".git-credentials", ".pypirc", ".npmrc"})
"""A path with one of these names in it is never read without being asked for."""


def why_special(path: Path, reach: Reach, ground: Ground) -> str:
    """Why a path is not free even where its kind is; empty if it is."""
    if reach.kind == "read" and (lent := next((folder for folder in ground.lent if path.is_relative_to(folder)), None)):
        return _why_named(path.relative_to(lent), reach)
    if not ground.holds(path):
        return f"it {_does(reach)} outside the workspace"
    return why_locked(path, reach, ground)


def why_locked(path: Path, reach: Reach, ground: Ground) -> str:
    """Why nothing general frees a path; empty if something can. Names above the workspace do not count."""
    if any(path.is_relative_to(folder) or (reach.below and folder.is_relative_to(path)) for folder in ground.private):
        return f"it {_does(reach)} flowchat's own files"
    tops = (top for top in (ground.workspace, *ground.folders) if path.is_relative_to(top))
    return _why_named(next((path.relative_to(top) for top in tops), path), reach)


def _why_named(path: Path, reach: Reach) -> str:
    names = PROTECTED_NAMES if reach.kind == "write" else SECRET_NAMES
    found = next((name for name in path.parts if name.casefold() in names), "")
    return f"it {_does(reach)} a protected path ({found})" if found else ""


def _does(reach: Reach) -> str:
    return "reads" if reach.kind == "run" else f"{reach.kind}s"
