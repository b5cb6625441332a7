"""What /status and /doctor tell, and the way to their page."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from flowchat import __version__
from flowchat.agent.agent import Limits
from flowchat.tools.rules import EFFECTS
from flowchat.ui.context_screen import totals
from flowchat.ui.facts_screen import FactsScreen, Known, Section, Told, as_text
from flowchat.ui.figures import from_home, size

if TYPE_CHECKING:
    from flowchat.config import Folders
    from flowchat.runtime.greeting import Greeting
    from flowchat.runtime.permits import SessionPermits
    from flowchat.runtime.session import Session
    from flowchat.tools.sandbox import Sandbox
    from flowchat.ui.stage import Stage


async def show_status(stage: "Stage", session: "Session") -> None:
    greeting = await asyncio.to_thread(stage.workspace.greeting, session.model)
    sections = status_of(session, greeting, stage.workspace.folders if stage.visit.saved else None, stage.workspace.sandbox)
    sections.insert(1, rules_of(stage.workspace.permits(session), stage.workspace.more))
    if used := session.context.used:
        soft, hard = stage.workspace.settings.compact.limits
        folds = folding_of(Limits(soft=soft, hard=hard), used.usable, session.state.compaction_off)
        sections = [replace(part, facts=(*part.facts, folds)) if part.title == "context" else part for part in sections]
    _show(stage, "Status", Told(sections, as_text(sections)))


def show_doctor(stage: "Stage") -> None:
    async def examined() -> Told:
        report = await stage.workspace.examine()
        facts = [
            Section(part.title, tuple(Known(fact.name, fact.value, fact.bad) for fact in part.facts if fact.name or fact.value))
            for part in report.parts
        ]
        return Told(facts, "\n".join(report.lines()))

    _show(stage, "Doctor", examined)


def _show(stage: "Stage", title: str, told: Told | Callable[[], Awaitable[Told]]) -> None:
    copy: Callable[[str], None] = lambda text: stage.copy(text, title.lower())
    stage.app.push_screen(FactsScreen(stage.palette, title, told, copy, stage.keymap))


def status_of(
    session: "Session", greeting: "Greeting", folders: "Folders | None", sandbox: "Sandbox | None" = None
) -> list[Section]:
    """What there is to know of a session now; `folders` None: it is kept in memory only."""
    facts = session.transcript.facts
    reason = f", {greeting.reason}" if greeting.reason else ""
    said = len(session.user_messages())
    first = [
        Known("title", session.title or "none yet; /rename TITLE gives one"),
        Known("session", session.sid),
        Known("folder", from_home(str(session.workspace_path)) + (f", branch {greeting.branch}" if greeting.branch else "")),
        Known("trust", "trusted" if greeting.trusted else "not trusted; /trust shows what waits for that"),
        Known("model", f"{session.model}{reason}" if session.model else "none is chosen; /model chooses one", not session.model),
        Known("mode", session.mode),
        *_sandbox(session, sandbox),
        Known("state", session.state.state),
        Known("your messages", f"{said:,} on this branch" + (f", {len(session.queue)} queued" if session.queue else "")),
    ]
    if session.read_only is not None:
        first.append(Known("read-only", session.read_only, bad=True))
    if session.transcript.unsaved is not None:
        first.append(Known("not saved", str(session.transcript.unsaved), bad=True))
    rows = totals(session.context.used, facts)
    spent = [*_cut(session), *(Known(label, f"{figure} ({remark})" if remark else figure) for label, figure, remark in rows)]
    files = [Known("instructions", ", ".join(from_home(str(path)) for path in greeting.instructions) or "none")]
    if folders is not None:
        begun = "" if session.transcript.head else ", from the first message on"
        files.append(Known("session", from_home(str(folders.data / "sessions" / session.sid)) + begun))
        files.append(Known("settings", from_home(str(folders.settings_file))))
        files.append(Known("log", from_home(str(folders.log_file))))
    else:
        files.append(Known("session", "kept in memory only"))
    versions = (Known("flowchat", __version__), Known("python", sys.version.split()[0]))
    below = (("context", spent), ("files", files), ("versions", versions))
    return [Section("", tuple(first)), *(Section(title, tuple(rows)) for title, rows in below)]


def rules_of(permits: "SessionPermits", more: Sequence[Path]) -> Section:
    """What is allowed here beside the mode, and which folders count as inside."""
    standing, granted = permits.book.standing(), len(permits.grants)
    counts = [(effect, sum(rule.effect == effect for rule in standing.rules)) for effect in EFFECTS]
    told = [", ".join(f"{count} {effect}" for effect, count in counts if count) or "no rules"]
    told += [f"{granted} granted for this session"] if granted else []
    told += [f"{len(standing.waiting)} waiting for trust"] if standing.waiting else []
    facts = [Known("rules", f"{'; '.join(told)}; /permissions lists them")]
    facts += (
        [Known("network", f"in the full sandbox commands reach {domains} and nothing else")]
        if (domains := str(permits.domains()))
        else []
    )
    facts += [Known("also inside", ", ".join(from_home(str(folder)) for folder in more))] if more else []
    facts += [Known("rules", f"{from_home(str(problem.origin))}: {problem.sentence}", bad=True) for problem in standing.problems]
    return Section("permissions", tuple(facts))


def folding_of(limits: Limits, usable: int, stopped: bool) -> Known:
    """When a conversation with so much room is folded by itself; `stopped`: it failed too often."""
    soft, hard = limits.soft_at(usable), limits.hard_at(usable)
    if stopped:
        return Known("compacts", "no more by itself, after three failures; /compact tries again", bad=True)
    idle = soft is not None and hard is not None and soft > hard
    when = [] if soft is None or idle else [f"after a run over {size(soft)}"]
    when += [] if hard is None else [f"before a request over {size(hard)}"]
    rest = f"; the soft limit, {size(soft or 0)}, is over that and does nothing" if idle else ""
    return Known("compacts", f"{', '.join(when)} tokens{rest}" if when else "only when you ask with /compact", bad=idle)


def _cut(session: "Session") -> list[Known]:
    """What a server that cuts requests leaves of them."""
    used = session.context.used
    if used is None or used.cut_to is None:
        return []
    words = f"the server read {size(used.cut_to)} of the last request: its window is smaller than {size(used.window)} tokens"
    return [Known("cut off", f"{words}; raise it there (Ollama: num_ctx), or set it in config.toml", bad=True)]


def _sandbox(session: "Session", sandbox: "Sandbox | None") -> list[Known]:
    if sandbox is None:
        return []
    if session.mode == "bypass":
        return [Known("sandbox", "not used in bypass mode", bad=True)]
    advice = f"; {sandbox.advice}" if sandbox.advice else ""
    return [Known("sandbox", f"{sandbox.tier}: {sandbox.why}{advice}", bad=sandbox.tier == "none")]
