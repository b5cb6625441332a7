"""Rules that can do nothing: written so that nothing fits them, or under a stricter one that covers all they could allow."""

import os
import re
from collections.abc import Sequence

from flowchat.tools.globs import glob_for
from flowchat.tools.rules import (
    FETCH_TOOLS,
    MCP,
    PATH_TOOLS,
    RUN_TOOLS,
    Ground,
    Rule,
    covers_host,
    covers_path,
    forbids,
    from_home,
    glob_of,
    names,
    prefix_words,
    words_of,
)

_OPERATOR = re.compile(r"[|&;<>$`()\n]")
_WILD = re.compile(r"[*?\[{]")


def why_idle(rule: Rule, others: Sequence[Rule], ground: Ground) -> str:
    """Why a rule that allows never will, and what to write instead; empty where it can, and for one that forbids."""
    if rule.effect != "allow":
        return ""
    if why := _fits_nothing(rule):
        return why
    for other in others:
        if other.effect != "allow" and _covers(other, rule, ground):
            return f"it never allows anything: {other.effect} {other} ({other.origin}) covers all of it"
    return ""


def where_it_leads(rule: Rule, ground: Ground) -> Rule | None:
    """A rule that forbids paths below a link, written for where that leads now; None where there is no link in it.

    Calls are judged by where their paths lead.
    """
    if rule.effect == "allow" or rule.spec is None or rule.literal or rule.tools[0] not in PATH_TOOLS:
        return None
    named, rest = _named(from_home(glob_of(rule), ground))
    path = str(ground.workspace / named)
    led = os.path.realpath(path)
    return Rule(rule.tools[0], glob_for(led) + rest, rule.effect, rule.origin) if named and led != path else None


def _named(glob: str) -> tuple[str, str]:
    """A glob in two: the folder, or file, it names without a wildcard, and the rest."""
    wild = _WILD.search(glob)
    named = glob if wild is None else glob[: wild.start()].rpartition("/")[0]
    return named, glob[len(named) :]


def _fits_nothing(rule: Rule) -> str:
    spec = rule.spec
    if spec is None or rule.literal or rule.tool.startswith(MCP) or rule.tools[0] not in RUN_TOOLS:
        return ""
    words = prefix_words(rule)
    if words is None:
        starred = spec.endswith(" *") or ("*" in spec and rule.tool != "shell")
        instead = f"write {rule.tool}({spec[:-2]}:*)" if spec.endswith(" *") else "write the program and its words, then :*"
        return f"it never matches: `*` is a plain character in an exact command; {instead}" if starred else ""
    if any("*" in word for word in words):
        return "it never matches: `*` is a plain character in the words before :*"
    if _OPERATOR.search(spec[:-2]) or "=" in words[0]:
        return "it never matches: before :* stand the words of one program, without variables, operators and redirections"
    return ""


def _covers(strict: Rule, loose: Rule, ground: Ground) -> bool:
    """Whether all that `loose` could allow is forbidden by `strict`."""
    if not all(names(strict, tool) for tool in loose.tools):
        return False
    if strict.spec is None or loose.spec is None:
        return strict.spec is None
    if loose.tools[0] in FETCH_TOOLS:
        return covers_host(strict, loose.spec.removeprefix("domain:").removeprefix("*.")) and _is_as_wide(strict, loose)
    if loose.tools[0] in PATH_TOOLS:
        glob = from_home(glob_of(loose), ground)
        if glob.casefold() == from_home(glob_of(strict), ground).casefold():
            return True
        return covers_path(strict, ground.workspace / _named(glob)[0], ground)
    words = prefix_words(loose)
    if words is None:
        return not _OPERATOR.search(loose.spec) and forbids(strict, words_of(loose.spec))
    return prefix_words(strict) is not None and forbids(strict, words)


def _is_as_wide(strict: Rule, loose: Rule) -> bool:
    return "*." not in (loose.spec or "") or "*." in (strict.spec or "")
