"""Whether a call is allowed: pure judgement of it by its reach, the mode, the rules of the command line and the session's grants.

A protected path (settings and scripts that others run later) and a path where keys lie are freed only by a rule that names
exactly them, or by bypass.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from msgspec import Struct

from flowchat.errors import UsageError
from flowchat.tools.globs import compile_glob
from flowchat.tools.tool import Reach
from flowchat.transcript.entries import Mode

PATH_TOOLS = ("read_file", "list_dir", "glob", "grep", "write_file", "edit_file")
RUN_TOOLS = ("shell",)
PROTECTED_NAMES = frozenset(
    {
        *(".git", ".gitmodules", ".flowchat", ".envrc", ".mcp.json", ".vscode"),
        *(".bashrc", ".bash_profile", ".bash_login", ".bash_logout", ".bash_aliases", ".profile", ".inputrc"),
        *(".zshrc", ".zshenv", ".zprofile", ".zlogin", ".zlogout", ".cshrc", ".tcshrc", ".login", ".kshrc"),
        *(".gitconfig", ".ssh", ".gnupg", ".aws", ".netrc"),
    }
)
"""A path with one of these names in it is never written without being asked for, whatever the case of its letters."""
SECRET_NAMES = frozenset({".ssh", ".gnupg", ".aws", ".netrc", ".git-credentials", ".pypirc", ".npmrc"})
"""A path with one of these names in it is never read without being asked for."""

Decision = Literal["allow", "ask", "deny"]
By = Literal["mode", "rule", "session", "headless"]


class Rule(Struct, frozen=True):
    """What is allowed: a tool alone, with a path (exact, absolute), with a glob, or with an exact command.

    A tool alone and a relative glob hold inside the workspace. `str(rule)` is how it is written.
    """

    tool: str
    path: str | None = None
    glob: str | None = None
    command: str | None = None

    def __str__(self) -> str:
        inside = self.path or self.glob or self.command
        return f"{self.tool}({inside})" if inside else self.tool


class Verdict(Struct, frozen=True):
    """`by` says what decided, `reason` is a sentence for the person asked or the model refused; `rule` the one that allowed."""

    decision: Decision
    by: By
    rule: Rule | None = None
    reason: str = ""


def judge(
    reach: Reach,
    tool: str,
    mode: Mode,
    grants: Sequence[Rule],
    rules: Sequence[Rule],
    workspace: Path,
    private: Sequence[Path] = (),
) -> Verdict:
    """What becomes of a call. `private` are folders not read without asking: flowchat's own.

    Strictest first: plan refuses what writes or runs, whatever rules say; bypass allows all else; then rules, grants, the mode.
    """
    if mode == "bypass":
        return Verdict("allow", "mode", reason="bypass mode")
    if mode == "plan" and reach.kind != "read":
        return Verdict("deny", "mode", reason=_PLANNING)
    sources: tuple[tuple[By, Sequence[Rule]], ...] = (("rule", rules), ("session", grants))
    for by, allowed in sources:
        for rule in allowed:
            if _covers(rule, tool, reach, workspace, private):
                return Verdict("allow", by, rule)
    return _by_mode(reach, mode, workspace, private)


def unasked(verdict: Verdict, tool: str, reach: Reach, workspace: Path, private: Sequence[Path] = ()) -> Verdict:
    """An ask where no one can be asked: a deny that names the rule that would have allowed it."""
    if verdict.decision != "ask":
        return verdict
    rule, _ = grant_for(reach, tool, workspace, private)
    reason = f"{verdict.reason}, and there is no one to ask here; --allow '{rule}' would allow it"
    return Verdict("deny", "headless", reason=reason)


def parse_rule(text: str) -> Rule:
    """A rule as the command line writes it: TOOL, TOOL(path glob) or shell(exact command). Raises UsageError."""
    name, opened, rest = text.strip().partition("(")
    if name not in PATH_TOOLS + RUN_TOOLS:
        raise UsageError(f"--allow {text!r}: there is no tool {name!r}; the tools are {', '.join(PATH_TOOLS + RUN_TOOLS)}")
    if not opened:
        return Rule(name)
    inside = rest[:-1]
    if not rest.endswith(")") or not inside.strip():
        raise UsageError(f"--allow {text!r}: write {name}({'exact command' if name in RUN_TOOLS else 'path glob'})")
    if name in RUN_TOOLS:
        return Rule(name, command=inside)
    inside = inside.removeprefix("./")
    if inside.startswith("~") or ".." in inside.split("/"):
        raise UsageError(f"--allow {text!r}: a path glob is relative to the workspace, or absolute, without ~ and ..")
    try:
        compile_glob(inside)
    except ValueError as error:
        raise UsageError(f"--allow {text!r}: {error}") from None
    return Rule(name, glob=inside)


def grant_for(reach: Reach, tool: str, workspace: Path, private: Sequence[Path] = ()) -> tuple[Rule, str]:
    """The narrowest rule that is of use for the rest of a session, and how it reads on the decision bar."""
    if reach.command is not None:
        return Rule(tool, command=reach.command), "this exact command"
    special = [path for path in reach.paths if _why_special(path, reach, workspace, private)]
    if special:
        return Rule(tool, path=str(special[0])), f"{tool} for {special[0]}"
    return Rule(tool), f"{tool} in this workspace"


_PLANNING = "plan mode: nothing is written or run; answer with the plan, and the user can change the mode"


def _by_mode(reach: Reach, mode: Mode, workspace: Path, private: Sequence[Path]) -> Verdict:
    if reach.kind == "run":
        return Verdict("ask", "mode", reason="it runs a command")
    special = [why for path in reach.paths if (why := _why_special(path, reach, workspace, private))]
    if special:
        return Verdict("ask", "mode", reason=special[0])
    if reach.kind == "read" or mode == "accept-edits":
        return Verdict("allow", "mode", reason=f"{mode} mode")
    return Verdict("ask", "mode", reason="it changes a file")


def _why_special(path: Path, reach: Reach, workspace: Path, private: Sequence[Path]) -> str:
    """Why a path is not free even where its kind is; empty if it is."""
    if not path.is_relative_to(workspace):
        return f"it {reach.kind}s outside the workspace"
    return _why_locked(path, reach, workspace, private)


def _why_locked(path: Path, reach: Reach, workspace: Path, private: Sequence[Path]) -> str:
    """Why nothing general frees a path; empty if something can. Names above the workspace do not count."""
    if any(path.is_relative_to(folder) or (reach.below and folder.is_relative_to(path)) for folder in private):
        return f"it {reach.kind}s flowchat's own files"
    names = SECRET_NAMES if reach.kind == "read" else PROTECTED_NAMES
    below = path.relative_to(workspace) if path.is_relative_to(workspace) else path
    found = next((name for name in below.parts if name.casefold() in names), "")
    return f"it {reach.kind}s a protected path ({found})" if found else ""


def _covers(rule: Rule, tool: str, reach: Reach, workspace: Path, private: Sequence[Path]) -> bool:
    if rule.tool != tool:
        return False
    if reach.kind == "run":
        return rule == Rule(tool) or (rule.command is not None and rule.command == reach.command)
    return bool(reach.paths) and all(_covers_path(rule, path, reach, workspace, private) for path in reach.paths)


def _covers_path(rule: Rule, path: Path, reach: Reach, workspace: Path, private: Sequence[Path]) -> bool:
    if rule.path is not None or rule.command is not None:
        return str(path) == rule.path
    inside = path.is_relative_to(workspace)
    locked = _why_locked(path, reach, workspace, private)
    if rule.glob is None:
        return inside and not locked
    if not inside and not rule.glob.startswith("/"):
        return False
    subject = str(path) if rule.glob.startswith("/") else path.relative_to(workspace).as_posix()
    return compile_glob(rule.glob).match(subject) is not None and (not locked or subject == rule.glob)
