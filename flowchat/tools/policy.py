"""Whether a call is allowed: pure judgement of it by its reach, the rules of all scopes, and the mode.

Rules outrank the mode: deny before ask before allow, wherever they stand. A protected path (settings and scripts that others
run later) and a path where keys lie are freed only by a rule that names exactly them, or by bypass.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from msgspec import Struct
from msgspec.structs import replace

from flowchat.tools.globs import glob_for
from flowchat.tools.protected import why_locked, why_special
from flowchat.tools.rules import (
    PATH_TOOLS,
    Effect,
    Ground,
    Rule,
    covers_host,
    covers_path,
    forbids,
    frees,
    host_rule,
    is_whole,
    is_written,
    names,
    names_exactly,
)
from flowchat.tools.tool import Reach
from flowchat.tools.touching import WORDS_LIMIT, Touched
from flowchat.transcript.entries import Mode

if TYPE_CHECKING:
    from flowchat.tools.command import Judged, Part
    from flowchat.tools.tables import Table

Decision = Literal["allow", "ask", "deny"]
By = Literal["mode", "rule", "session", "review", "headless"]


class Verdict(Struct, frozen=True):
    """`by` says what decided, `reason` is a sentence for the person asked or the model refused; `rule` the one that decided.

    `reviewable`: in mode auto a reviewer may answer what is asked here.
    """

    decision: Decision
    by: By
    rule: Rule | None = None
    reason: str = ""
    reviewable: bool = False


class Line(Struct, frozen=True):
    """A command line as it was judged, and where its words lead."""

    judged: "Judged"
    touched: Touched


class PartVerdict(Struct, frozen=True):
    """What becomes of one simple command of a line, were it alone."""

    text: str
    decision: Decision
    reason: str
    rule: Rule | None = None


class Law(Struct, frozen=True):
    """What holds in a session now. `blind`: why it is not known which rules there are; then nothing is allowed unasked.

    `trusted`: what the workspace's own settings say may be obeyed. `confined`: commands run in a sandbox that holds, so mode
    auto frees them. `tables`: what the user says of programs, beside what flowchat knows of them.
    """

    mode: Mode
    ground: Ground
    rules: tuple[Rule, ...] = ()
    blind: str = ""
    trusted: bool = False
    confined: bool = False
    tables: "Mapping[str, Table]" = {}

    def of(self, effect: Effect, tool: str) -> list[Rule]:
        """The rules of an effect that are about a tool."""
        return [rule for rule in self.rules if rule.effect == effect and names(rule, tool)]


def judge(reach: Reach, tool: str, law: Law, line: Line | None = None) -> Verdict:
    """What becomes of a call; a command (kind `run`) comes with its `line`. Raises nothing."""
    if (rule := _forbidden("deny", reach, tool, law, line)) is not None:
        return Verdict("deny", "rule", rule, f"denied by the rule {rule} ({rule.origin})")
    reads = reach.kind == "read" or (line is not None and line.judged.read_only)
    if law.mode == "plan" and not reads:
        return Verdict("deny", "mode", reason=_PLANNING)
    if (rule := _forbidden("ask", reach, tool, law, line)) is not None:
        return Verdict("ask", "rule", rule, f"the rule {rule} ({rule.origin}) asks")
    if law.blind:
        return Verdict("ask", "rule", reason=law.blind)
    if line is not None:
        return _judge_line(line, tool, law)
    if law.mode == "bypass":
        return Verdict("allow", "mode", reason="bypass mode")
    for rule in law.of("allow", tool):
        if _allows(rule, reach, law.ground):
            return _by_rule(rule)
    return _by_mode(reach, law)


def unasked(verdict: Verdict, tool: str, reach: Reach, law: Law, line: Line | None = None) -> Verdict:
    """An ask where no one can be asked: a deny that names the rule that would have allowed it, if one could."""
    if verdict.decision != "ask":
        return verdict
    reason = f"{verdict.reason}, and there is no one to ask here"
    rule, _ = grant_for(reach, tool, law.ground)
    written = (
        Rule(tool, glob_for(rule.spec)) if rule.literal and rule.spec is not None and line is None else Rule(tool, rule.spec)
    )
    if judge(reach, tool, replace(law, rules=(*law.rules, written)), line).decision == "allow":
        reason = f"{reason}; --allow '{written}' would allow it"
    return Verdict("deny", "headless", verdict.rule, reason)


def grant_for(reach: Reach, tool: str, ground: Ground) -> tuple[Rule, str]:
    """The narrowest rule that is of use for the rest of a session, and how it reads on the decision bar."""
    if reach.command is not None:
        return Rule(tool, reach.command, literal=True), "this exact command"
    if reach.host is not None:
        return host_rule(tool, reach.host), f"{tool} of {reach.host}, which commands in the full sandbox reach then, too"
    special = [path for path in reach.paths if why_special(path, reach, ground)]
    if special:
        return Rule(tool, str(special[0]), literal=True), f"{tool} for {special[0]}"
    return Rule(tool), f"{tool} in this workspace"


def rules_for(reach: Reach, tool: str, law: Law, line: Line | None = None) -> tuple[Rule, ...]:
    """The narrowest rules that would allow this call for good; empty where no rule that can be written would.

    A file: that file. A host: that host. A command: each part that is not allowed yet, to the letter.
    """
    if line is not None:
        found = _lasting_for(line, tool, law)
    elif reach.host is not None:
        found = (rule,) if is_written(rule := host_rule(tool, reach.host)) else ()
    else:
        found = tuple(Rule(tool, _written(path, reach, law.ground)) for path in reach.paths)
    later = replace(law, rules=(*law.rules, *found))
    return found if judge(reach, tool, later, line).decision == "allow" else ()


def parts_of(line: Line, tool: str, law: Law) -> tuple[PartVerdict, ...]:
    """The parts of a line one by one, as `flowchat policy explain` tells them."""
    found: list[PartVerdict] = []
    for number, part in enumerate(line.judged.parts):
        forbidding = _forbidding_part(line, number, tool, law)
        if forbidding is not None:
            found.append(PartVerdict(part.text, forbidding.effect, f"the rule {forbidding} ({forbidding.origin})", forbidding))
            continue
        rule, why = _part_allowed(line, number, tool, law)
        why = part.why if why and not part.read_only else why
        told = f"the rule {rule} ({rule.origin})" if rule is not None else "it only reads"
        found.append(PartVerdict(part.text, "ask" if why else "allow", why or told, rule))
    return tuple(found)


def _forbidding_part(line: Line, number: int, tool: str, law: Law) -> Rule | None:
    """The first rule that forbids one simple command as it stands there, or a file that it reads."""
    argv, paths = line.judged.parts[number].argv, line.touched.named[number]
    for effect in _FORBIDDING:
        for rule in (rule for rule in law.rules if rule.effect == effect):
            if names(rule, tool) and (rule.spec is None or forbids(rule, argv)):
                return rule
            if names(rule, "read_file") and rule.spec is not None and any(covers_path(rule, path, law.ground) for path in paths):
                return rule
    return None


_PLANNING = "plan mode: nothing is written or run but what only reads; answer with the plan, and the user can change the mode"
_SEARCHERS = frozenset({"rg", "grep", "find", "fd", "fdfind", "tree", "du"})
"""Programs that read all of the folder they are in where they are given no path."""
_FORBIDDING: tuple[Literal["deny", "ask"], ...] = ("deny", "ask")


# --- what forbids ----------------------------------------------------------------------------------------------------
def _forbidden(effect: Literal["deny", "ask"], reach: Reach, tool: str, law: Law, line: Line | None) -> Rule | None:
    """The first rule of this effect that covers any of a call."""
    for rule in law.rules:
        if rule.effect != effect:
            continue
        if names(rule, tool) and _is_forbidden(rule, reach, law.ground, line):
            return rule
        if line is not None and names(rule, "read_file") and _reads_forbidden(rule, line, law.ground):
            return rule
    return None


def _is_forbidden(rule: Rule, reach: Reach, ground: Ground, line: Line | None) -> bool:
    if rule.spec is None:
        return True
    if line is not None:
        return rule.spec == line.judged.command or any(forbids(rule, argv) for argv in line.judged.said)
    if reach.host is not None:
        return covers_host(rule, reach.host)
    return any(covers_path(rule, path, ground) for path in reach.paths)


def _reads_forbidden(rule: Rule, line: Line, ground: Ground) -> bool:
    """Whether a command that reads names a path that may not be read."""
    return rule.spec is not None and any(covers_path(rule, path, ground) for paths in line.touched.named for path in paths)


# --- commands --------------------------------------------------------------------------------------------------------
def _judge_line(line: Line, tool: str, law: Law) -> Verdict:
    """What no rule forbids as far as it can be seen. Where it cannot be seen all, a rule that forbids might cover the rest."""
    judged = line.judged
    if judged.murky and any(law.of(effect, tool) for effect in _FORBIDDING):
        return Verdict("ask", "mode", reason=f"{judged.murky}, so it is not certain that no rule forbids it")
    whole = next((rule for rule in law.of("allow", tool) if rule.spec is None or is_whole(rule, judged.command)), None)
    if law.mode == "bypass":
        hidden = _worry_of_rules(line, law)
        return Verdict("ask", "mode", reason=hidden) if hidden else Verdict("allow", "mode", reason="bypass mode")
    worry = _worry(line, law)
    if whole is not None and not (whole.spec is None and worry):
        return _by_rule(whole)
    if not judged.plain and not (worry and law.mode == "auto"):
        return _sandboxed(law) or Verdict("ask", "mode", reason=judged.reason, reviewable=law.mode == "auto")
    found = [_part_allowed(line, number, tool, law) for number in range(len(judged.parts))]
    refused = [(number, part, why) for number, (part, (_, why)) in enumerate(zip(judged.parts, found, strict=True)) if why]
    rule = next((rule for rule, _ in found if rule is not None), None)
    if judged.parts and not refused and rule is None:
        return Verdict("allow", "mode", reason="it only reads")
    if worry:
        return Verdict("ask", "mode", reason=worry)
    if rule is not None and not refused:
        return _by_rule(rule)
    outside = any(part.read_only and _reads_outside(line, number, law.ground) for number, part, _ in refused)
    if not outside and (freed := _sandboxed(law)):
        return freed
    _, part, why = refused[0] if refused else (0, None, "it runs a command")
    reason = f"{why}: {part.text}" if part is not None and len(judged.parts) > 1 else why
    return Verdict("ask", "mode", reason=reason, reviewable=law.mode == "auto")


def _part_allowed(line: Line, number: int, tool: str, law: Law) -> tuple[Rule | None, str]:
    """The rule that frees a part, or none where it frees itself; and why it is not free, empty if it is."""
    part = line.judged.parts[number]
    for rule in law.of("allow", tool):
        if rule.spec is None or frees(rule, part.argv, part.text, part.strict):
            return rule, ""
    if not part.read_only:
        return None, "it runs a command"
    if part.obeys and not law.trusted:
        return None, f"{part.argv[0]} obeys the settings of this folder, which is not trusted yet"
    return None, _reads_outside(line, number, law.ground)


def _reads_outside(line: Line, number: int, ground: Ground) -> str:
    """Why what a part reads is not free; empty if it is."""
    if why := line.touched.unclear[number]:
        return why
    read, paths = Reach("read", below=True), line.touched.named[number]
    if not paths and line.judged.parts[number].argv[0] in _SEARCHERS:
        paths = (ground.workspace,)
    return next((f"{why} ({path})" for path in paths if (why := why_special(path, read, ground))), "")


def _worry(line: Line, law: Law) -> str:
    """Why no general rule frees it: what a word of it might name is locked, or forbidden to some tool; else empty."""
    read = Reach("read")
    if why := next((why for path in line.touched.words if (why := why_locked(path, read, law.ground))), ""):
        return why
    if line.touched.is_crowded:
        return f"it has more than {WORDS_LIMIT:,} words"
    return _worry_of_rules(line, law)


def _worry_of_rules(line: Line, law: Law) -> str:
    """Which rule that forbids paths a command may come under, as far as its words tell; empty where it is none."""
    about_paths = [rule for rule in law.rules if rule.effect != "allow" and rule.spec is not None and rule.tools[0] in PATH_TOOLS]
    for rule in about_paths:
        if any(covers_path(rule, path, law.ground) for path in line.touched.words):
            return f"it may use what the rule {rule} ({rule.origin}) is about"
    return ""


def _sandboxed(law: Law) -> Verdict | None:
    return Verdict("allow", "mode", reason="it runs in the sandbox") if law.mode == "auto" and law.confined else None


# --- paths -----------------------------------------------------------------------------------------------------------
def _allows(rule: Rule, reach: Reach, ground: Ground) -> bool:
    if reach.kind == "run":
        return rule.spec is None or (reach.command is not None and is_whole(rule, reach.command))
    if reach.host is not None:
        return rule.spec is None or covers_host(rule, reach.host)
    if not reach.paths:
        return rule.spec is None
    return all(_allows_path(rule, path, reach, ground) for path in reach.paths)


def _allows_path(rule: Rule, path: Path, reach: Reach, ground: Ground) -> bool:
    if rule.spec is None:
        return not why_special(path, reach, ground)
    if not covers_path(rule, path, ground):
        return False
    return names_exactly(rule, path, ground) or not why_locked(path, reach, ground)


def _by_rule(rule: Rule) -> Verdict:
    return Verdict("allow", "session" if rule.origin.scope == "session" else "rule", rule)


def _by_mode(reach: Reach, law: Law) -> Verdict:
    mode, is_auto = law.mode, law.mode == "auto"
    if reach.kind == "run":
        return Verdict("ask", "mode", reason="it runs a command", reviewable=is_auto)
    for path in reach.paths:
        if why := why_special(path, reach, law.ground):
            return Verdict("ask", "mode", reason=why, reviewable=is_auto and not why_locked(path, reach, law.ground))
    if reach.host is not None:
        return Verdict("ask", "mode", reason=f"it connects to {reach.host}", reviewable=is_auto)
    if reach.kind == "read" or mode in ("accept-edits", "auto"):
        return Verdict("allow", "mode", reason=f"{mode} mode")
    return Verdict("ask", "mode", reason="it changes a file")


# --- rules to be written ---------------------------------------------------------------------------------------------
def _lasting_for(line: Line, tool: str, law: Law) -> tuple[Rule, ...]:
    judged = line.judged
    if not judged.plain:
        return _exact(tool, judged.command)
    needed = [part for number, part in enumerate(judged.parts) if _part_allowed(line, number, tool, law)[1]]
    found = [rule for part in needed for rule in _lasting_part(tool, part)]
    return tuple(dict.fromkeys(found)) if len(found) == len(needed) else ()


def _lasting_part(tool: str, part: "Part") -> tuple[Rule, ...]:
    """The program and its subcommand where a table knows them and nothing stricter is called for; else the exact command."""
    if len(part.named) > 1 and not part.strict and not part.read_only:
        return (Rule(tool, f"{' '.join(part.named)}:*"),)
    return _exact(tool, part.text)


def _exact(tool: str, command: str) -> tuple[Rule, ...]:
    """The rule for a command to the letter, unless it would be read as another when it is written down."""
    rule = Rule(tool, command)
    is_plainly_exact = command == command.strip() and not command.endswith(" *") and is_whole(rule, command)
    return (rule,) if is_plainly_exact else ()


def _written(path: Path, reach: Reach, ground: Ground) -> str:
    """A path as the shortest rule for it says it."""
    below = "/**" if reach.below else ""
    if path.is_relative_to(ground.workspace) and path != ground.workspace:
        return glob_for(path.relative_to(ground.workspace).as_posix()) + below
    if ground.home is not None and path.is_relative_to(ground.home) and path != ground.home:
        return f"~/{glob_for(path.relative_to(ground.home).as_posix())}{below}"
    return glob_for(str(path)) + below
