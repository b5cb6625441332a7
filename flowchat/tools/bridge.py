"""Runs within a sandbox, a program of its own: opens a port there, hands it to flowchat and becomes the command.

python -c SCRIPT DESCRIPTOR PROGRAM ARGUMENTS. The descriptor is a connected AF_UNIX socket; the port goes over it. Both are gone
when the command begins: nothing of ours is beside it that it could take over. What is imported is part of every Python.
"""

import posix
import sys
from _socket import AF_INET, SCM_RIGHTS, SOL_SOCKET, socket

BACKLOG = 128
ENVIRONMENT_LIMIT_BYTES = 2 * 1024 * 1024


def main(descriptor: int, *argv: str) -> None:
    """Never comes back."""
    listener, flowchat = socket(AF_INET), socket(fileno=descriptor)
    listener.bind(("127.0.0.1", 0))
    listener.listen(BACKLOG)
    flowchat.sendmsg([b"\0"], [(SOL_SOCKET, SCM_RIGHTS, listener.fileno().to_bytes(4, sys.byteorder))])
    flowchat.close()
    proxy = {f"{scheme}_PROXY": f"http://127.0.0.1:{listener.getsockname()[1]}" for scheme in ("HTTP", "HTTPS", "ALL")}
    proxy["NO_PROXY"] = "localhost,127.0.0.1"
    ours = {name.encode(): value.encode() for key, value in proxy.items() for name in (key, key.lower())}
    given = posix.read(posix.open("/proc/self/environ", posix.O_RDONLY | posix.O_CLOEXEC), ENVIRONMENT_LIMIT_BYTES)
    theirs = dict(one.split(b"=", 1) for one in given.split(b"\0") if b"=" in one)  # Python has a locale of its own in its own
    signals = __import__("_signal")  # `signal` takes as long as all the rest
    for number in (signals.SIGPIPE, signals.SIGXFSZ):  # ignored by every Python
        signals.signal(number, signals.SIG_DFL)
    try:
        posix.execve(argv[0], argv, {**theirs, **ours})
    except OSError as error:
        sys.exit(f"{argv[0]}: {error.strerror}")


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
