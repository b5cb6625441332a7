"""The profile that macOS's sandbox-exec(1) is given, as text; nobody has tried it on a real Mac.

The kernel goes by the last rule that fits, and compares paths as the file system does.
"""

from collections.abc import Iterator
from pathlib import Path

from flowchat.tools.bubblewrap import View
from flowchat.tools.guard import NAMES_ALWAYS, NAMES_IF_THERE, SHELL_START_FILES

PROGRAM = "/usr/bin/sandbox-exec"
_BEGINNING = """(version 1)
(deny default)
(allow process-fork process-exec signal (target same-sandbox))
(allow sysctl-read)
(allow mach-lookup (global-name "com.apple.system.opendirectoryd.libinfo") (global-name "com.apple.SecurityServer"))
(allow ipc-posix-sem)
(allow file-read*)
(allow file-write* (literal "/dev/null") (literal "/dev/zero") (literal "/dev/tty") (regex #"^/dev/fd/"))
(allow file-ioctl (literal "/dev/null") (literal "/dev/tty"))
"""


def profile(view: View) -> str:
    """The profile for a view: network off unless asked for, writes in its folders alone, protected things and every folder on the
    way to them neither changed nor moved, what is hidden unreadable."""
    return "\n".join([_BEGINNING.rstrip(), *_rules(view), ""])


def _rules(view: View) -> Iterator[str]:
    writable = (view.temporary, *view.writable, *view.guard.writable)
    for folder in writable:
        yield f"(allow file-write* (subpath {_quoted(folder)}))"
    for path in (*view.guard.read_only, *(path for path, _ in view.guard.masked)):
        yield f"(deny file-write* (subpath {_quoted(path)}))"
    for folder in view.writable:
        for name in (*NAMES_ALWAYS, *NAMES_IF_THERE, *SHELL_START_FILES):
            yield f"(deny file-write* (subpath {_quoted(folder / name)}))"
    for path in dict.fromkeys(_on_the_way(view)):
        yield f"(deny file-write-unlink (literal {_quoted(path)}))"
    for path in view.hidden:
        yield f"(deny file-read* file-write* (subpath {_quoted(path)}))"
    yield "(allow network*)\n(deny network* (remote unix-socket))" if view.network else "(deny network*)"


def _on_the_way(view: View) -> Iterator[Path]:
    """Folders whose move would take something protected along; a rename is an unlink there."""
    for path in (*view.guard.pinned, *view.guard.read_only, *(path for path, _ in view.guard.masked)):
        for parent in (path, *path.parents):
            if any(parent.is_relative_to(folder) for folder in view.writable):
                yield parent


def _quoted(path: Path) -> str:
    text = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
