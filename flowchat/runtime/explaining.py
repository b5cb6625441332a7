"""Why a call would be allowed, asked about or denied: the verdict, and what becomes of each part of a command."""

from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from flowchat.errors import UsageError
from flowchat.runtime.permits import line_of
from flowchat.runtime.rulebook import RuleBook
from flowchat.tools.domains import Domains, domains_of
from flowchat.tools.paths import resolve
from flowchat.tools.policy import Law, PartVerdict, Verdict, judge, parts_of
from flowchat.tools.rules import ALIASES, FETCH_TOOLS, MCP, PATH_TOOLS, RUN_TOOLS, TOOLS, WRITE_TOOLS
from flowchat.tools.tool import BadArguments, Reach
from flowchat.transcript.entries import Mode


class Explained(Struct, frozen=True):
    """`subject` is the command, path or host asked about, `unseen` why a command may run more than can be seen, or empty.

    `domains` are those that commands reach from the full sandbox.
    """

    tool: str
    subject: str
    mode: Mode
    verdict: Verdict
    parts: tuple[PartVerdict, ...] = ()
    unseen: str = ""
    domains: Domains = Domains()


def explained(
    book: RuleBook, mode: Mode, tool: str, subject: str, confined: bool = False, lent: tuple[Path, ...] = ()
) -> Explained:
    """What would become of a call now: a command of the shell where `tool` is empty; `lent` as in Ground. Raises UsageError for
    an unknown tool."""
    standing, ground = book.standing(), replace(book.ground, lent=lent)
    law = Law(mode, ground, (*standing.rules, *standing.led), standing.blind, book.trusted, confined, standing.tables)
    tool = ALIASES.get(tool, (tool,))[0] if tool else RUN_TOOLS[0]
    reach = _reach(tool, subject, book)
    line = line_of(reach, law)
    verdict = judge(reach, tool, law, line)
    domains = Domains() if standing.blind or mode == "bypass" else domains_of(standing.rules)
    if line is None:
        return Explained(tool, subject, mode, verdict, domains=domains)
    return Explained(tool, subject, mode, verdict, parts_of(line, tool, law), line.judged.murky, domains)


def _reach(tool: str, subject: str, book: RuleBook) -> Reach:
    if tool in RUN_TOOLS:
        return Reach("run", command=subject)
    if tool in FETCH_TOOLS:
        return Reach("read", host=subject)
    if tool not in PATH_TOOLS and not tool.startswith(MCP):
        raise UsageError(f"there is no tool {tool!r}; the tools are {', '.join(TOOLS)}")
    try:
        path = resolve(subject, book.ground.workspace)
    except BadArguments as error:
        raise UsageError(str(error)) from None
    return Reach("write" if tool in WRITE_TOOLS else "read", (path,), below=tool in ("grep", "glob"))
