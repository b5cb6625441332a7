"""Runs within a sandbox, a program of its own: starts a command beside a port whose connections it hands to flowchat.

python -c SCRIPT DESCRIPTOR -- PROGRAM ARGUMENTS. The descriptor is a connected AF_UNIX socket: one byte and one descriptor for
each connection. It ends with the command and as the command did; it holds nothing of what the command may not have.
"""

import os
import signal
import socket
import sys
import threading

BACKLOG = 128
PROXIES: tuple[str, ...] = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_IGNORED = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
"""They are meant for the command, which is asked to end by itself."""


def main(descriptor: int, argv: list[str]) -> int:
    """The exit status of the command, or 128 and the number of the signal that ended it."""
    flowchat = socket.socket(fileno=descriptor)
    flowchat.set_inheritable(False)
    listener = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
    group = os.getpgrp()
    os.setpgid(0, 0)  # what the command sends to its whole group is not for us
    pid = os.fork()
    if pid == 0:
        _become(argv, group, listener.getsockname()[1])
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    null = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(null, number)  # whoever waits for these to close waits for the command
    threading.Thread(target=_hand_over, args=(listener, flowchat), daemon=True).start()
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return status if status >= 0 else 128 - status


def _become(argv: list[str], group: int, port: int) -> None:
    """The command, in the group it would have been in without us."""
    try:
        os.setpgid(0, group)
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # ignored by every Python
            signal.signal(number, signal.SIG_DFL)
        proxy: dict[str, str] = dict.fromkeys(PROXIES, f"http://127.0.0.1:{port}")
        proxy["NO_PROXY"] = "localhost,127.0.0.1"
        both = {**proxy, **{name.lower(): value for name, value in proxy.items()}}
        os.execve(argv[0], argv, {**os.environ, **both})
    except OSError as error:
        os.write(2, f"{argv[0]}: {error.strerror}\n".encode())
    finally:
        os._exit(127)


def _hand_over(listener: socket.socket, flowchat: socket.socket) -> None:
    """Until flowchat takes no more."""
    with listener, flowchat:
        while True:
            try:
                connection = listener.accept()[0]
            except ConnectionError:
                continue
            with connection:
                try:
                    socket.send_fds(flowchat, [b"\0"], [connection.fileno()])
                except OSError:
                    return


if __name__ == "__main__":
    os._exit(main(int(sys.argv[1]), sys.argv[3:]))
