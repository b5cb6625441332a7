"""What `flowchat doctor` tells: versions, terminal, tools, paths, models and keys by name; made to be put into a bug report."""

import os
import re
import shutil
import stat
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from flowchat import __version__
from flowchat.config import Folders, redactor
from flowchat.model import discover
from flowchat.model.offers import Offer
from flowchat.store.aside import aside
from flowchat.store.sizes import byte_size
from flowchat.tools.rules import EFFECTS
from flowchat.tools.sandbox import Sandbox

if TYPE_CHECKING:
    from flowchat.runtime.workspace import Workspace

FILES_LIMIT = 200_000
"""So many files of a folder are weighed."""
_PACKAGES = ("textual", "rich", "litellm", "msgspec", "keyring")
_TOOLS = (("bwrap", "the sandbox needs it"), ("rg", "searching is slower without it"), ("git", "not needed, but used"))
_NAME_WIDTH = 14
_LANDLOCK_CREATE_RULESET, _LANDLOCK_VERSION = 444, 1


class Fact(Struct, frozen=True):
    """One line of the report; `bad` is what keeps flowchat from working as it should."""

    name: str
    value: str
    bad: bool = False


class Part(Struct, frozen=True):
    title: str
    facts: tuple[Fact, ...]


class Report(Struct, frozen=True):
    """All of it, without a key in it and with the home folder as ~."""

    parts: tuple[Part, ...]

    @property
    def sound(self) -> bool:
        return not any(fact.bad for part in self.parts for fact in part.facts)

    def lines(self) -> list[str]:
        """As a person reads it; what is bad begins with an exclamation mark."""
        lines: list[str] = []
        for part in self.parts:
            lines += ["", part.title] if lines else [part.title]
            lines += [f"{'!' if fact.bad else ' '} {fact.name:<{_NAME_WIDTH}} {fact.value}" for fact in part.facts]
        return lines

    def fields(self) -> dict[str, object]:
        """As one object of JSON."""
        parts = {part.title: [{"name": f.name, "value": f.value, "bad": f.bad} for f in part.facts] for part in self.parts}
        return {"sound": self.sound, **parts}


async def examine(workspace: "Workspace", environ: Mapping[str, str], asks: bool = False) -> Report:
    """Look at everything. Leaves this machine only where the model is asked, `asks`, and that is not on it; raises nothing."""
    parts = [Part("versions", tuple(_versions())), Part("terminal", tuple(_terminal(environ)))]
    parts.append(Part("tools", tuple(_tools(environ))))
    if workspace.confinement is not None:
        parts.append(Part("sandbox", tuple(_sandbox(await workspace.confinement.probe()))))
    parts.append(Part("rules", tuple(await aside(lambda: list(_rules(workspace))))))
    parts.append(Part("skills", tuple(await aside(lambda: list(_skills(workspace))))))
    parts.append(Part("paths", tuple(await aside(lambda: list(_paths(workspace))))))
    offers = workspace.choosing.offers(await workspace.choosing.look_around())
    parts.append(Part("models", (*_models(offers), *([await _asked(workspace, offers)] if asks else []))))
    parts.append(Part("keys", tuple(_keys(environ, workspace.choosing.key_places()))))
    redact, home = redactor(environ), environ.get("HOME", "").rstrip("/")
    in_home = re.compile(rf"(?<![\w./~-]){re.escape(home)}(?![\w.-])")

    def shown(fact: Fact) -> Fact:
        value = redact(fact.value)
        return Fact(fact.name, in_home.sub("~", value) if home else value, fact.bad)

    return Report(tuple(Part(part.title, tuple(map(shown, part.facts))) for part in parts))


def _versions() -> Iterator[Fact]:
    from importlib import metadata

    system = os.uname()
    yield Fact("flowchat", __version__)
    yield Fact("python", f"{sys.version.split()[0]} ({sys.executable})")
    for name in _PACKAGES:
        try:
            yield Fact(name, metadata.version(name))
        except metadata.PackageNotFoundError:
            yield Fact(name, "not installed", bad=name != "keyring")
    yield Fact("system", f"{system.sysname} {system.release} {system.machine}")


def _terminal(environ: Mapping[str, str]) -> Iterator[Fact]:
    for name in ("TERM", "COLORTERM", "TERM_PROGRAM", "LANG", "LC_ALL", "NO_COLOR"):
        if name in ("TERM", "COLORTERM") or name in environ:
            yield Fact(name, environ.get(name) or "not set")
    try:
        size = os.get_terminal_size(sys.__stdout__.fileno() if sys.__stdout__ else 1)
        yield Fact("size", f"{size.columns} columns, {size.lines} rows")
    except (OSError, ValueError):
        yield Fact("size", "stdout is not a terminal")
    yield Fact("encoding", (sys.__stdout__.encoding if sys.__stdout__ else "") or "unknown")
    inside = {"TMUX": "tmux", "STY": "screen", "SSH_CONNECTION": "ssh", "VSCODE_PID": "VS Code", "WSL_DISTRO_NAME": "WSL"}
    yield Fact("inside", ", ".join(what for name, what in inside.items() if environ.get(name)) or "none of tmux, screen, ssh")


def _tools(environ: Mapping[str, str]) -> Iterator[Fact]:
    for name, why in _TOOLS:
        yield Fact(name, shutil.which(name, path=environ.get("PATH")) or f"not found ({why})")
    if sys.platform == "linux":
        version = _landlock_version()
        yield Fact("landlock", f"version {version}" if version > 0 else "not in this kernel, or switched off")


def _rules(workspace: "Workspace") -> Iterator[Fact]:
    """How many there are of each kind, and each that does not count."""
    standing = workspace.book.standing()
    for effect in EFFECTS:
        count = sum(rule.effect == effect for rule in standing.rules)
        waiting = f", {len(standing.waiting)} wait until this folder is trusted" if effect == "allow" and standing.waiting else ""
        yield Fact(effect, f"{count}{waiting}")
    for folder in workspace.more:
        yield Fact("also inside", str(folder))
    for problem in standing.problems:
        yield Fact("rule", str(problem), bad=True)


def _skills(workspace: "Workspace") -> Iterator[Fact]:
    """How many count, where they lie, and each that does not count for another reason than that the user switched it off."""
    found = workspace.skills(workspace.path).look()
    counting = Counter(skill.place for skill, _ in found.usable())
    yield Fact("in use", ", ".join(f"{count} in {place}" for place, count in counting.items()) or "none")
    for skill in found.skills:
        if skill.state not in ("on", "off"):
            yield Fact(skill.name, f"{skill.place}: {skill.why}", bad=skill.state == "invalid")
    for sentence in found.troubles:
        yield Fact("place", sentence, bad=True)


def _sandbox(sandbox: Sandbox) -> Iterator[Fact]:
    yield Fact("tier", f"{sandbox.tier}: {sandbox.why}")
    if sandbox.advice:
        yield Fact("for more", sandbox.advice)
    if sandbox.tier == "none":
        yield Fact("until then", "nothing confines a command, so every one that is not proved to only read is asked about")


def _landlock_version() -> int:
    """The version of the kernel's Landlock, 0 or less where there is none (landlock_create_ruleset(2), the same number on
    every architecture)."""
    import ctypes

    try:
        return int(ctypes.CDLL(None).syscall(_LANDLOCK_CREATE_RULESET, None, 0, _LANDLOCK_VERSION))
    except (OSError, AttributeError):
        return 0


def _paths(workspace: "Workspace") -> Iterator[Fact]:
    yield Fact("folder", str(workspace.path))
    folders = workspace.folders
    if folders is None:
        yield Fact("kept in", "memory only: set HOME or FLOWCHAT_HOME to a folder that can be written", bad=True)
    else:
        yield from _folders(folders)
    for notice in (notice for notice in workspace.notices if notice not in workspace.book.notice()):
        yield Fact("notice", notice, bad=True)


def _folders(folders: Folders) -> Iterator[Fact]:
    for name, folder in (("data", folders.data), ("config", folders.config), ("cache", folders.cache), ("state", folders.state)):
        if not folder.is_dir():
            yield Fact(name, f"{folder}, not there yet")
            continue
        writable = os.access(folder, os.W_OK | os.X_OK)
        yield Fact(name, f"{folder}, {weigh(folder)}, {'writable' if writable else 'cannot be written'}", bad=not writable)
    sessions = folders.data / "sessions"
    try:
        yield Fact("sessions", f"{sum(1 for entry in os.scandir(sessions) if entry.is_dir(follow_symlinks=False)):,}")
    except FileNotFoundError:
        pass
    except OSError as error:
        yield Fact("sessions", f"{sessions} cannot be read ({error.strerror})", bad=True)
    for name, file in (("settings", folders.settings_file), ("log", folders.log_file)):
        yield Fact(name, str(file) if file.exists() else f"{file}, not there")


def weigh(folder: Path, limit: int = FILES_LIMIT) -> str:
    """What lies below a folder, in bytes and files; past `limit` files it says that there is more."""
    weight = files = 0
    for where, _, names in os.walk(folder):
        for name in names:
            if files == limit:
                return f"more than {byte_size(weight)} in the first {files:,} files"
            files += 1
            try:
                found = os.lstat(os.path.join(where, name))
            except OSError:
                continue
            weight += found.st_size if stat.S_ISREG(found.st_mode) else 0
    return f"{byte_size(weight)} in {files:,} {'file' if files == 1 else 'files'}"


def _models(offers: tuple[Offer, ...]) -> Iterator[Fact]:
    for offer in offers:
        yield Fact(offer.model or "-", offer.sentence)
        if offer.advice:
            yield Fact("", offer.advice)


async def _asked(workspace: "Workspace", offers: tuple[Offer, ...]) -> Fact:
    """The first that can be: the demo is always there."""
    offer = next(offer for offer in offers if offer.model)
    probed = await workspace.choosing.probe(offer.model, offer.api_base)
    return Fact("test call", probed.sentence, bad=bool(probed.error))


def _keys(environ: Mapping[str, str], places: Mapping[str, str]) -> Iterator[Fact]:
    names = {name for provider in discover.PROVIDERS for name in discover.key_names(provider) if environ.get(name, "").strip()}
    yield Fact("environment", ", ".join(sorted(names)) or "none of the variables flowchat knows")
    for provider, place in places.items():
        yield Fact(provider, f"kept in {place}")
