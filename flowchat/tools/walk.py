"""The files of a folder as git would see them: .gitignore honoured, no link followed, what holds keys left out."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from flowchat.tools.protected import SECRET_NAMES

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec  # loaded with the first .gitignore: 10 ms

ENTRIES_LIMIT = 200_000
"""Files and folders looked at in one walk."""
WALK_SECONDS = 10.0
LEFT_OUT = SECRET_NAMES | {".git"}
"""Names no walk gives or enters, whatever the case of their letters; naming one as the root is a question for the policy."""
_IGNORE_FILE_LIMIT_BYTES = 256 * 1024


class Walk:
    """One walk below `root`. It blocks: iterate it in a thread. `cut` says why it ended early, or is empty."""

    def __init__(self, root: Path, entries_limit: int = ENTRIES_LIMIT, seconds: float = WALK_SECONDS) -> None:
        self.cut = ""
        self._root = root
        self._left = entries_limit
        self._entries_limit = entries_limit
        self._seconds = seconds
        self._end = time.monotonic() + seconds

    def files(self) -> Iterator[str]:
        """Paths of files and links from the root, `/` between names; a folder's entries in the order of their names."""
        yield from self._below(self._root, "", Ignored.above(self._root))

    def _below(self, folder: Path, prefix: str, ignored: "Ignored") -> Iterator[str]:
        ignored = ignored.entering(folder)
        for entry in entries(folder):
            if self._over():
                return
            is_folder = entry.is_dir(follow_symlinks=False)
            if entry.name.casefold() in LEFT_OUT or ignored.covers(entry.path, is_folder):
                continue
            if not is_folder:
                yield prefix + entry.name
            else:
                yield from self._below(Path(entry.path), f"{prefix}{entry.name}/", ignored)

    def _over(self) -> bool:
        self._left -= 1
        if self._left < 0:
            self.cut = f"stopped after {self._entries_limit:,} entries"
        elif self._left % 256 == 0 and time.monotonic() > self._end:
            self.cut = f"stopped after {self._seconds:.0f} s"
        return bool(self.cut)


class Ignored:
    """The ignore rules that hold in a folder: each .gitignore's from its own folder down, the deepest decides."""

    def __init__(self, rules: tuple[tuple[str, "GitIgnoreSpec"], ...] = ()) -> None:
        self._rules = rules

    @classmethod
    def above(cls, root: Path) -> "Ignored":
        """The rules of the folders over `root` in its git work tree; none where they would hide `root` itself."""
        tops = [folder for folder in (root, *root.parents) if os.path.lexists(folder / ".git")]
        found = cls()
        for folder in reversed([folder for folder in root.parents if tops and folder.is_relative_to(tops[0])]):
            found = found.entering(folder)
        if any(found.covers(str(folder), True) for folder in (root, *root.parents) if tops and folder.is_relative_to(tops[0])):
            return cls()
        return found

    def entering(self, folder: Path) -> "Ignored":
        """The same with the folder's own rules."""
        files = (folder / ".git/info/exclude", folder / ".gitignore")
        lines = [line for file in files for line in _lines(file)]
        return Ignored((*self._rules, (f"{folder}/", _spec(lines)))) if lines else self

    def covers(self, path: str, is_folder: bool) -> bool:
        """Whether an absolute path is ignored."""
        for base, spec in reversed(self._rules):
            if path.startswith(base):
                said = spec.check_file(path[len(base) :] + ("/" if is_folder else "")).include
                if said is not None:
                    return said
        return False


def _spec(lines: list[str]) -> "GitIgnoreSpec":
    """The rules of these lines, those left out that are none."""
    from pathspec import GitIgnoreSpec

    try:
        return GitIgnoreSpec.from_lines(lines)
    except ValueError:
        return GitIgnoreSpec.from_lines([line for line in lines if _is_rule(line)])


def _is_rule(line: str) -> bool:
    from pathspec import GitIgnoreSpec

    try:
        GitIgnoreSpec.from_lines([line])
    except ValueError:
        return False
    return True


def entries(folder: Path) -> list["os.DirEntry[str]"]:
    """A folder's entries by name; none where it cannot be read."""
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda entry: entry.name)
    except OSError:
        return []


def _lines(file: Path) -> list[str]:
    try:
        if not file.is_file():
            return []
        with open(file, encoding="utf-8", errors="replace") as stream:
            text = stream.read(_IGNORE_FILE_LIMIT_BYTES)
    except OSError:
        return []
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
