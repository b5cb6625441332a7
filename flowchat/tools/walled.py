"""Whether a command failed because of the sandbox: read off its exit status, what it printed and what was guarded. Pure."""

import re
import signal
from collections.abc import Sequence
from pathlib import Path

from flowchat.tools.guard import Guard
from flowchat.tools.sandbox import Tier
from flowchat.tools.tool import Walled

_KILLED = (-signal.SIGSYS, 128 + signal.SIGSYS)
"""How a program ends that the filter of system calls has ended, by itself and below a shell."""
TEXT_LIMIT_CHARS = 64 * 1024
"""Of what was printed so much of its end is read."""
_KEYS = r"(?i)Permission denied \(publickey|Host key verification failed|gpg failed to sign|gpg: .*(?:agent|secret key)"
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
_READ_ONLY = r"(?i)Read-only file system|EROFS|\[Errno 30\]|\(os error 30\)"
_BUSY = r"(?i)Device or resource busy|EBUSY|\[Errno 16\]|Invalid cross-device link|Is a directory|File exists"
_REFUSED = r"(?i)Operation not permitted|EPERM|\[Errno 1\]"
_DENIED = r"(?i)Permission denied|EACCES|\[Errno 13\]"


def walled(tier: Tier, status: int | None, text: str, guard: Guard, hidden: Sequence[Path], network: bool) -> Walled | None:
    """Why the sandbox may be what made a command fail, and what would let it; None where nothing speaks for that.

    `network`: it had the network already.
    """
    if not status:
        return None
    text = text[-TEXT_LIMIT_CHARS:]
    if text.startswith("bwrap: "):
        return Walled("outside", "the sandbox could not be set up")
    if status in _KILLED:
        return Walled("outside", "it is made for another processor, whose calls the sandbox does not know")
    if re.search(_KEYS, text):
        return Walled("outside", "it needs your keys, which are hidden from it")
    if daemon := re.search(_DAEMON, text):
        return Walled("outside", f"it talks to another program ({daemon[0]})")
    if not network and re.search(_NETWORK, text):
        return Walled("network", "the network is off in the sandbox")
    lines = text.splitlines()
    for pattern in (_READ_ONLY, _DENIED, _BUSY):
        for line in (line for line in lines if re.search(pattern, line)):
            if why := guard.why(line):
                return Walled("outside", why)
            if any(str(path) in line for path in hidden):
                return Walled("outside", "it reads what is hidden from it")
    if re.search(_READ_ONLY, text):
        return Walled("outside", "outside the workspace nothing can be written")
    if re.search(_REFUSED, text):
        return Walled("outside", "it does what the sandbox does not permit")
    if tier == "partial" and re.search(_DENIED, text):
        return Walled("outside", "outside the workspace nothing can be written, and sockets are off")
    return None
