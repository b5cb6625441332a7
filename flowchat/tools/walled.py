"""Whether a command failed because of the sandbox: read off its exit status, what it printed and what was guarded. Pure."""

import re
import signal
from collections.abc import Sequence
from pathlib import Path
from shlex import quote

from flowchat.tools.guard import Guard
from flowchat.tools.sandbox import Tier
from flowchat.tools.tool import Walled

_KILLED = (-signal.SIGSYS, 128 + signal.SIGSYS)
"""How a program ends that the filter of system calls has ended, by itself and below a shell."""
_HIDDEN = "it reads what is hidden from it"
_PASSING = r"(?m)^warning: unable to access '[^'\n]*': Is a directory$"
"""What git says of a masked .gitmodules whenever it looks for submodules, and goes on."""
_WENT_ON = (
    r"(?:error: unable to (?:create file|unlink old)|(warning): unable to unlink) '?(.+?)'?:"
    r" (?:Read-only file system|Device or resource busy)$"
)
"""What git says of a protected file in the tree that another commit has otherwise, or (a warning) not at all, and ends as if all
were well."""
FILES_LIMIT = 20
"""So many of these are named."""
TEXT_LIMIT_CHARS = 64 * 1024
"""Of what was printed so much of its end is read."""
_KEYS = (
    r"(?i)Permission denied \(publickey|Host key verification failed|gpg failed to sign|gpg: .*(?:agent|secret key)"
    r"|Couldn't load public key|No private key found for"
)
_SSH = r"(?m)^ssh: (?:Could not resolve hostname|connect to host)"
_DAEMON = (
    r"(?i)Cannot connect to the Docker daemon|docker\.sock|Could not open a connection to your authentication agent"
    r"|Failed to connect to (?:session|user|system)[ \w]*bus|System has not been booted with systemd"
)
_NETWORK = (
    r"(?i)Network is unreachable|ENETUNREACH|Could not resolve host|Temporary failure in name resolution"
    r"|Name or service not known|EAI_AGAIN|ENOTFOUND"
    r"|failed to lookup address|nodename nor servname|No address associated with hostname"
    r"|unable to resolve host|Temporary failure resolving|dial (?:tcp|udp)[^\n]*: (?:lookup|connect)|No route to host"
    r"|\[Errno 101\]|error sending request for url|spurious network error|Failed to fetch|dns error"
)
_NPM = r"(?m)^npm (?:ERR!|error) code ENOTCACHED$"
_TURNED_AWAY = r"(?i)\b403\b|\bproxy|\btunnel"
"""What programs say of a proxy that turned them away, whatever of its reason they show."""
_HOSTS_NAMED = 3
_READ_ONLY = r"(?i)Read-only file system|EROFS|\[Errno 30\]|\(os error 30\)"
_BUSY = r"(?i)Device or resource busy|EBUSY|\[Errno 16\]|Invalid cross-device link|Is a directory|File exists"
_REFUSED = r"(?i)Operation not permitted|EPERM|\[Errno 1\]"
_DENIED = r"(?i)Permission denied|EACCES|\[Errno 13\]"
_MISSING = r"(?i)No such file|ENOENT|\[Errno 2\]"


def walled(
    tier: Tier,
    status: int | None,
    text: str,
    guard: Guard,
    hidden: Sequence[Path],
    network: bool,
    refused: Sequence[str] = (),
) -> Walled | None:
    """Why the sandbox may be what made a command fail, and what would let it; None where nothing speaks for that.

    `hidden` are things that are there and that it could not see. `network`: it had the network already; `refused` are
    hosts that it asked for and that no rule is about.
    """
    if not status:
        return None
    text = re.sub(_PASSING, "", text[-TEXT_LIMIT_CHARS:])
    if text.startswith("bwrap: "):
        return Walled("outside", "the sandbox could not be set up")
    if status in _KILLED:
        return Walled("outside", "it is made for another processor, whose calls the sandbox does not know")
    if re.search(_KEYS, text):
        return Walled("outside", "it needs your keys, which are hidden from it")
    if re.search(_SSH, text):
        return Walled("outside", "it needs the network and your keys, which are hidden from it")
    if daemon := re.search(_DAEMON, text):
        return Walled("outside", f"it talks to another program ({daemon[0]})")
    if re.search(_NPM, text):
        return Walled("outside", "npm finds an empty cache of its own in the sandbox, not the user's")
    if refused and (re.search(_TURNED_AWAY, text) or re.search(_NETWORK, text) or any(host in text for host in refused)):
        return Walled("network", _off(refused))
    if not network and re.search(_NETWORK, text):
        return Walled("network", "the network is off in the sandbox")
    lines = text.splitlines()
    for pattern in (_READ_ONLY, _DENIED, _BUSY):
        for line in (line for line in lines if re.search(pattern, line)):
            if why := guard.why(line):
                return Walled("outside", why)
            if _names(line, hidden):
                return Walled("outside", _HIDDEN)
    if any(re.search(_MISSING, line) and _names(line, hidden) for line in lines):
        return Walled("outside", _HIDDEN)
    if re.search(_READ_ONLY, text):
        return Walled("outside", "outside the workspace nothing can be written")
    if re.search(_REFUSED, text):
        return Walled("outside", "it does what the sandbox does not permit")
    if tier == "partial" and re.search(_DENIED, text):
        return Walled("outside", "outside the workspace nothing can be written, and sockets are off")
    return None


def passed_over(text: str, guard: Guard) -> str:
    """What a git that ended well could not write, and what to do, for the model; empty where there is no such thing.

    Up to `:` it is short. The command it names fails within the same walls, so that it is asked about.
    """
    restored: dict[Path, Path] = {}
    removed: dict[Path, Path] = {}
    for line in text[-TEXT_LIMIT_CHARS:].splitlines():
        found = re.match(_WENT_ON, line)
        if found and (path := guard.named(line)) and ".." not in (said := Path(found[2]).parts):
            below = said[said.index(path.name) + 1 :] if path.name in said else ()
            (removed if found[1] else restored).setdefault(path.joinpath(*below), path.parent)
    files = [*restored, *removed][:FILES_LIMIT]
    if not files:
        return ""
    words: list[str] = []
    for folder in dict.fromkeys(restored.values()):
        names = [quote(str(file.relative_to(folder))) for file in files if restored.get(file) == folder]
        words += [f"git -C {quote(str(folder))} restore -- {' '.join(names)}"] if names else []
    if gone := [quote(str(file)) for file in files if file in removed]:
        words.append(f"rm -- {' '.join(gone)}")
    more = len(restored) + len(removed) - len(files)
    named = f"{', '.join(map(str, files))}{f' and {more} more, which `git status` names,' if more else ''}"
    return (
        f"protected files left as they were: git could not change {named} and went on. Before anything is committed run"
        f" `{' && '.join(words)}` alone: it fails here, and the user is asked to let it run outside the sandbox"
    )


def _off(refused: Sequence[str]) -> str:
    hosts, rules = ", ".join(refused[:_HOSTS_NAMED]), ", ".join(f"web_fetch(domain:{host})" for host in refused[:_HOSTS_NAMED])
    more = f" and {len(refused) - _HOSTS_NAMED} more" if len(refused) > _HOSTS_NAMED else ""
    return f"{hosts}{more} {'is' if len(refused) == 1 else 'are'} off in the sandbox; {rules} would allow it for good"


def _names(line: str, hidden: Sequence[Path]) -> bool:
    """Whether a message names something hidden, or something in it."""
    return any(re.search(rf"{re.escape(str(path))}(?![\w.-])", line) is not None for path in hidden)
