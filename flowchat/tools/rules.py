"""Rules as a person writes them, `Tool(spec)`: what one names, and whether it covers a path, a command, a host or a tool."""

import re
import shlex
from collections.abc import Sequence
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Literal

from msgspec import Struct

from flowchat.errors import UsageError
from flowchat.tools.globs import compile_glob, literal_path

READ_TOOLS = ("read_file", "list_dir", "glob", "grep")
WRITE_TOOLS = ("write_file", "edit_file")
PATH_TOOLS = READ_TOOLS + WRITE_TOOLS
RUN_TOOLS = ("shell",)
FETCH_TOOLS = ("web_fetch",)
JOB_TOOLS = ("job_output", "job_input", "job_kill")
SESSION_TOOLS = ("recall", "todo")
TOOLS = PATH_TOOLS + RUN_TOOLS + FETCH_TOOLS + JOB_TOOLS + SESSION_TOOLS
ALIASES: dict[str, tuple[str, ...]] = {
    "Bash": RUN_TOOLS,
    "Read": READ_TOOLS,
    "Edit": WRITE_TOOLS,
    "MultiEdit": ("edit_file",),
    "Write": ("write_file",),
    "Glob": ("glob",),
    "Grep": ("grep",),
    "LS": ("list_dir",),
    "WebFetch": FETCH_TOOLS,
    "TodoWrite": ("todo",),
}
"""What Claude Code calls tools, and which of ours each stands for."""
MCP = "mcp__"
RULE_LIMIT_CHARS = 10_000
"""No command that is judged is longer."""
_HOST = re.compile(r"(\*\.)?[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*")
_MCP_NAME = re.compile(r"mcp__[A-Za-z0-9_-]+")

Effect = Literal["allow", "ask", "deny"]
Scope = Literal["user", "project", "local", "flag", "session"]
EFFECTS: tuple[Effect, ...] = ("deny", "ask", "allow")
"""The strictest first: that is the order in which rules are tried, wherever they stand."""


class Origin(Struct, frozen=True):
    """Where a rule stands: the line (from 1) of a file; one of the command line or of a session has no path."""

    scope: Scope = "flag"
    path: str = ""
    line: int = 0

    def __str__(self) -> str:
        if self.path:
            return f"{self.path}:{self.line}" if self.line else self.path
        return "the command line" if self.scope == "flag" else "this session"


GIVEN = Origin()


class Rule(Struct, frozen=True):
    """A tool, as written, and what it is narrowed to; `str(rule)` is how it is written.

    `literal`: the spec is a command or a path to the letter, whatever characters are in it.
    """

    tool: str
    spec: str | None = None
    effect: Effect = "allow"
    origin: Origin = GIVEN
    literal: bool = False

    def __str__(self) -> str:
        return self.tool if self.spec is None else f"{self.tool}({self.spec})"

    @property
    def tools(self) -> tuple[str, ...]:
        """Those of ours it names; what forbids a path forbids it to every tool that reads, or writes."""
        named = ALIASES.get(self.tool, (self.tool,))
        if self.effect != "allow" and self.spec is not None:
            for group in (READ_TOOLS, WRITE_TOOLS):
                if set(named) & set(group):
                    return group
        return named


class Ground(Struct, frozen=True):
    """Where calls are judged: the workspace, the folders that count as in it, and those of flowchat's own. All resolved.

    `lent`: folders elsewhere that may be read, though flowchat's own files be around them.
    """

    workspace: Path
    folders: tuple[Path, ...] = ()
    private: tuple[Path, ...] = ()
    home: Path | None = None
    lent: tuple[Path, ...] = ()

    def holds(self, path: Path) -> bool:
        """Whether a path is inside."""
        return path.is_relative_to(self.workspace) or any(path.is_relative_to(folder) for folder in self.folders)


# --- reading ---------------------------------------------------------------------------------------------------------
def parse_rule(text: str, effect: Effect = "allow", origin: Origin = GIVEN) -> Rule:
    """A rule as it is written. Raises UsageError, the sentence beginning with the rule."""
    written = text.strip()
    name, opened, rest = written.partition("(")
    spec = rest[:-1] if opened else None
    if len(text) > RULE_LIMIT_CHARS:
        raise UsageError(f"{text[:60]!r}...: a rule is at most {RULE_LIMIT_CHARS:,} characters long")
    _check_name(name, text)
    if spec is not None and (not rest.endswith(")") or not spec.strip()):
        raise UsageError(f"{text!r}: write {_form(name)}")
    rule = Rule(name, spec, effect, origin)
    if spec is not None:
        _check_spec(rule, spec, text)
    return rule


def is_written(rule: Rule) -> bool:
    """Whether it can be written as it is shown, and read again."""
    try:
        return parse_rule(str(rule), rule.effect, rule.origin) == rule
    except UsageError:
        return False


def _check_name(name: str, text: str) -> None:
    if name in TOOLS or name in ALIASES:
        return
    if name.startswith(MCP):
        if _MCP_NAME.fullmatch(name.removesuffix("__*")):
            return
        raise UsageError(f"{text!r}: write {MCP}SERVER or {MCP}SERVER__TOOL")
    near = get_close_matches(name, (*TOOLS, *ALIASES), 1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"the tools are {', '.join(TOOLS)}, {MCP}SERVER__TOOL"
    raise UsageError(f"{text!r}: there is no tool {name!r}; {hint}")


def _form(name: str) -> str:
    if name.startswith(MCP) or name in JOB_TOOLS + SESSION_TOOLS:
        return f"{name} without brackets"
    tools = ALIASES.get(name, (name,))
    inside = "exact command) or " + f"{name}(program words:*" if tools == RUN_TOOLS else "path glob"
    return f"{name}({'domain:HOST' if tools == FETCH_TOOLS else inside})"


def _check_spec(rule: Rule, spec: str, text: str) -> None:
    if rule.tool.startswith(MCP) or rule.tool in JOB_TOOLS + SESSION_TOOLS:
        raise UsageError(f"{text!r}: write {_form(rule.tool)}")
    if rule.tools[0] in FETCH_TOOLS:
        if not spec.startswith("domain:") or not _HOST.fullmatch(spec.removeprefix("domain:")):
            raise UsageError(f"{text!r}: write {rule.tool}(domain:HOST), as in domain:docs.python.org or domain:*.python.org")
    elif rule.tools[0] in PATH_TOOLS:
        _check_glob(rule, text)
    elif (words := prefix_words(rule)) is not None and not words:
        raise UsageError(f"{text!r}: name the program, as in {rule.tool}(git status:*); {rule.tool} alone is every command")


def _check_glob(rule: Rule, text: str) -> None:
    glob = glob_of(rule)
    if ".." in glob.split("/"):
        raise UsageError(f"{text!r}: a path glob does not lead out of the workspace with ..; write it from / or from ~/")
    if glob.startswith("~") and not glob.startswith("~/"):
        raise UsageError(f"{text!r}: only ~/ is understood, your own home folder")
    try:
        compile_glob(glob)
    except ValueError as error:
        raise UsageError(f"{text!r}: {error}") from None


# --- what a rule covers ----------------------------------------------------------------------------------------------
def names(rule: Rule, tool: str) -> bool:
    """Whether a rule is about a tool at all; `mcp__server` is about all tools of that server."""
    if rule.tool.startswith(MCP):
        server = rule.tool.removesuffix("__*")
        return tool == server or tool.startswith(f"{server}__")
    return tool in rule.tools


def glob_of(rule: Rule) -> str:
    """The path glob of a rule: from the workspace, from / or from ~/.

    Under Claude Code's names `//x` is from the root, `/x` from the workspace, and what a bare name forbids it forbids in
    every folder, as there.
    """
    glob = (rule.spec or "").strip().removeprefix("./")
    if rule.tool in ALIASES:
        glob = glob[1:] if glob.startswith("/") else glob
        if rule.effect != "allow" and "/" not in glob.rstrip("/") and not glob.startswith(("~", "**")):
            glob = f"**/{glob}"
    return f"{glob}**" if glob.endswith("/") else glob


def covers_path(rule: Rule, path: Path, ground: Ground) -> bool:
    """Whether a rule with a spec is about a path; one that forbids is about all below it, too, whatever the case of letters."""
    if rule.literal:
        return str(path) == rule.spec
    glob = from_home(glob_of(rule), ground)
    text, top = str(path), str(ground.workspace)
    if rule.effect == "allow":
        return _fits(glob, text, top)
    glob, text, top = glob.casefold(), text.casefold(), top.casefold()
    while not _fits(glob, text, top) and not (glob.startswith("**/") and _fits(f"/{glob}", text, top)):
        if text in ("/", ""):
            return False
        text = text.rpartition("/")[0] or "/"
    return True


def names_exactly(rule: Rule, path: Path, ground: Ground) -> bool:
    """Whether a rule is about this one path and no other."""
    if rule.literal:
        return str(path) == rule.spec
    named = literal_path(from_home(glob_of(rule), ground))
    return named is not None and str(ground.workspace / named) == str(path)


def from_home(glob: str, ground: Ground) -> str:
    """A glob from ~/ written from the root."""
    return f"{ground.home}{glob[1:]}" if glob.startswith("~/") and ground.home is not None else glob


def _fits(glob: str, path: str, workspace: str) -> bool:
    if glob.startswith("/"):
        subject = path
    elif path == workspace:
        subject = "."
    elif path.startswith(f"{workspace.rstrip('/')}/"):
        subject = path[len(workspace.rstrip("/")) + 1 :]
    else:
        return False
    named = literal_path(glob)
    return named == subject if named is not None else compile_glob(glob).match(subject) is not None


def covers_host(rule: Rule, host: str) -> bool:
    """Whether a `domain:` rule is about a host: exactly that one, or with `*.` all below it."""
    named = (rule.spec or "").removeprefix("domain:").casefold()
    host = host.casefold().rstrip(".")
    return host.endswith(named[1:]) if named.startswith("*.") else host == named


def host_rule(tool: str, host: str) -> Rule:
    """The rule that allows exactly this host."""
    return Rule(tool, f"domain:{host.casefold().rstrip('.')}")


# --- commands --------------------------------------------------------------------------------------------------------
def prefix_words(rule: Rule) -> tuple[str, ...] | None:
    """The words of a `program words:*` rule; None where it is an exact command."""
    spec = rule.spec or ""
    if rule.literal:
        return None
    if spec.endswith(":*"):
        return words_of(spec[:-2])
    if spec.endswith(" *") and "*" not in spec[:-1] and (rule.tool in ALIASES or rule.effect != "allow"):
        return words_of(spec[:-2])  # how Claude Code writes it, too; a rule that forbids is understood as strictly as it can be
    return None


@lru_cache(1024)
def words_of(text: str) -> tuple[str, ...]:
    """The words of a command as a shell would take them apart."""
    try:
        return tuple(shlex.split(text))
    except ValueError:
        return tuple(text.split())


def is_whole(rule: Rule, command: str) -> bool:
    """Whether an exact rule is this command, byte for byte."""
    return rule.spec == command and (rule.literal or prefix_words(rule) is None)


def frees(rule: Rule, argv: Sequence[str], text: str, strict: bool) -> bool:
    """Whether a rule that allows covers one simple command: written exactly so, or, unless that must be (`strict`), beginning
    with the rule's words."""
    words = prefix_words(rule)
    if words is None:
        return is_whole(rule, text)
    return not strict and tuple(argv[: len(words)]) == words


def forbids(rule: Rule, argv: Sequence[str]) -> bool:
    """Whether a rule that denies or asks covers an argv: by the program's own name wherever it lies, options before its words
    left out, a `*` standing for anything."""
    spec = rule.spec or ""
    if not argv:
        return False
    given = (_program(argv[0]), *argv[1:])
    words = prefix_words(rule)
    if not rule.literal and "*" in (spec if words is None else "".join(words)):
        return _fits_stars(spec, " ".join(given)) or _fits_stars(spec, " ".join(argv))
    exact = words is None
    words = words_of(spec) if words is None else words
    if not words or _program(words[0]) != given[0]:
        return False
    wanted = tuple(words[1:])
    if exact:
        return given[1:] == wanted
    return any(given[at : at + len(wanted)] == wanted for at in _after_options(given))


def _program(word: str) -> str:
    return word.rpartition("/")[2].casefold()


def _after_options(given: Sequence[str]) -> list[int]:
    """Where a program's own words may begin: after its name, or after options and what may be their values."""
    places = [1]
    for at in range(1, len(given)):
        if not given[at].startswith("-") and (at == 1 or not given[at - 1].startswith("-")):
            break
        places.append(at + 1)
    return places


def _fits_stars(spec: str, text: str) -> bool:
    """Whether a text is a spec whose stars, and a `:*` at the end, stand for anything. Takes a time that grows with both."""
    first, *more = (spec.removesuffix(":*") + ("*" if spec.endswith(":*") else "")).split("*")
    if not text.startswith(first):
        return False
    at = len(first)
    for part in more[:-1]:
        at = text.find(part, at)
        if at < 0:
            return False
        at += len(part)
    return text.endswith(more[-1]) and len(text) - len(more[-1]) >= at
