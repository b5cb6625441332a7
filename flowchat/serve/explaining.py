"""`flowchat policy`: the rules that hold in a folder, and why a call would be allowed, asked about or denied."""

from collections.abc import Iterator
from pathlib import Path

from flowchat.runtime.explaining import Explained, explained
from flowchat.runtime.rulebook import RuleBook
from flowchat.serve.stream import json_line
from flowchat.tools.rules import FETCH_TOOLS, RUN_TOOLS, Rule
from flowchat.transcript.clean import clean
from flowchat.transcript.entries import Mode

_WORDS = {"allow": "allowed", "ask": "asks", "deny": "denied"}


def list_rules(book: RuleBook, as_json: bool) -> list[str]:
    """A line for each rule, in the order in which they are tried; then what does not count, and why."""
    standing = book.standing()
    rows = [(rule, "") for rule in standing.rules] + [(rule, "waits until this folder is trusted") for rule in standing.waiting]
    if as_json:
        lines = [json_line({"type": "rule", **_fields(rule), "in_force": not why}) for rule, why in rows]
        for problem in standing.problems:
            origin = problem.origin
            told = {"file": origin.path, "line": origin.line, "sentence": problem.sentence}
            lines.append(json_line({"type": "problem", **told}))
        return lines
    width = min(48, max((len(str(rule)) for rule, _ in rows), default=0))
    lines = [
        f"{rule.effect:<5}  {clean(str(rule)):<{width}}  {clean(str(rule.origin))}{f'; {why}' if why else ''}\n"
        for rule, why in rows
    ]
    lines += [] if rows else ["No rules: what only reads in this folder is free, everything else asks.\n"]
    return lines + [f"! {clean(str(problem))}\n" for problem in standing.problems]


def explain(
    book: RuleBook, mode: Mode, tool: str, subject: str, as_json: bool, confined: bool = False, lent: tuple[Path, ...] = ()
) -> Iterator[str]:
    """What decides on a call, part by part; `confined`: commands run in a sandbox that holds. Raises UsageError."""
    found = explained(book, mode, tool, subject, confined, lent)
    verdict = found.verdict
    if as_json:
        parts = [
            {"text": part.text, "decision": part.decision, "reason": part.reason, "rule": part.rule and _fields(part.rule)}
            for part in found.parts
        ]
        decided = {"decision": verdict.decision, "by": verdict.by, "reason": verdict.reason or None}
        rule = verdict.rule and _fields(verdict.rule)
        asked = {"tool": found.tool, "subject": found.subject, "mode": found.mode}
        reached = {"reaches": list(found.domains.names)} if found.tool in RUN_TOOLS else {}
        yield json_line({**asked, **decided, "rule": rule, "parts": parts, "unseen": found.unseen or None, **reached})
        return
    yield f"{_WORDS[verdict.decision]}: {clean(_why(verdict.rule, verdict.reason).removeprefix('denied by '))}\n"
    for part in found.parts:
        yield f"  {part.decision:<5}  {clean(part.text)}  ({clean(part.reason)})\n"
    if found.unseen:
        yield f"  what it runs cannot all be seen: {clean(found.unseen)}\n"
    if reached := _reached(found):
        yield f"  {clean(reached)}\n"
    yield f"in {found.mode} mode, in {clean(str(book.ground.workspace))}\n"


def _reached(found: Explained) -> str:
    """What rules of fetching mean for commands."""
    if found.tool in FETCH_TOOLS:
        rule = found.domains.decides(found.subject)
        reach = "reach it, too" if found.domains.is_allowed(found.subject) else "do not reach it"
        return f"commands in the full sandbox {reach}" if rule is not None else ""
    if found.tool in RUN_TOOLS and found.verdict.decision != "deny" and found.domains.names:
        return f"in the full sandbox it reaches {found.domains} and no other host"
    return ""


def _why(rule: Rule | None, reason: str) -> str:
    return reason if rule is None or reason else f"the rule {rule} ({rule.origin})"


def _fields(rule: Rule) -> dict[str, object]:
    origin = rule.origin
    return {"effect": rule.effect, "rule": str(rule), "scope": origin.scope, "file": origin.path, "line": origin.line}
