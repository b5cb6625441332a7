"""Whether the user trusts a folder, and what in it waits for that; until then its files are read as text and do nothing.

Trust covers the folders below, but not another repository in them, and from the home folder or above it nothing below.
"""

import hashlib
import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, cast

import msgspec
from msgspec import Struct, structs

from flowchat.config import read_table
from flowchat.errors import StorageFailed, UsageError
from flowchat.store.setting import fit_setting
from flowchat.store.trusted import TrustedFolder, TrustFile

SETTINGS_FILE = ".flowchat/config.toml"
RULE_FILES = (".flowchat/permissions.toml", ".flowchat/permissions.local.toml")
STEERING = ("model", "compact.model", "review.model")
"""Settings that say where keys and messages go, as every `models.NAME.api_base` does: a model's name may hold an address."""
PERSONAL = ("theme", "copy_on_select", "skills.off")
"""Settings that are the user's alone."""


class Waiting(Struct, frozen=True):
    """What a file of the folder says and does not count yet, to the letter.

    `digest`: of what counts only after it was approved just as it is; empty for what trust alone lets count.
    """

    file: str
    text: str
    digest: str = ""


class Look(Struct, frozen=True):
    """A folder as it was found: `trusted_by` is the folder whose trust covers it, empty where none does.

    `problem` is a sentence: why trust that was given does not count, or what cannot be read.
    """

    folder: Path
    trusted_by: str = ""
    waiting: tuple[Waiting, ...] = ()
    problem: str = ""


class Trust:
    """`file` None: what is trusted lasts as long as this object. All of it blocks, for the disk."""

    def __init__(self, file: TrustFile | None, now_ms: Callable[[], int], home: Path | None = None) -> None:
        self._file, self._now_ms = file, now_ms
        self._home = Path(os.path.realpath(home or os.path.expanduser("~")))
        self._kept: tuple[TrustedFolder, ...] = ()

    def trusted(self, folder: Path) -> bool:
        """Whether what the folder says may loosen anything now; False where that cannot be known."""
        try:
            return self._covering(folder) is not None
        except StorageFailed:
            return False

    def look(self, folder: Path) -> Look:
        """What is trusted and what waits. Raises nothing."""
        try:
            row = self._covering(folder)
            problem = "" if row else self._why_no_longer(folder)
        except StorageFailed as error:
            row, problem = None, str(error)
        approved = row.approved if row else ()
        waiting, trouble = _waiting(folder, row is not None, approved)
        return Look(folder, row.path if row else "", waiting, problem or trouble)

    def approved(self, folder: Path) -> frozenset[str]:
        """Digests of the settings that count as they were approved; none without trust."""
        try:
            row = self._covering(folder)
        except StorageFailed:
            return frozenset()
        return frozenset(row.approved if row else ())

    def add(self, look: Look) -> None:
        """Trust the folder, and approve what waits in it as it was when it was looked at. Raises StorageFailed."""
        real = Path(os.path.realpath(look.folder))
        digests = tuple(waits.digest for waits in look.waiting if waits.digest)
        fresh = TrustedFolder(str(real), _inode(real), self._now_ms())

        def added(rows: tuple[TrustedFolder, ...]) -> tuple[TrustedFolder, ...]:
            row = self._of(rows, look.folder) or fresh
            row = structs.replace(row, approved=tuple(dict.fromkeys((*row.approved, *digests))))
            return (*(other for other in rows if other.path != row.path), row)

        self._change(added)

    def remove(self, folder: Path) -> bool:
        """Trust it no longer, whatever stands there now; False where it was not trusted itself. Raises StorageFailed."""
        real = os.path.realpath(folder)
        if all(row.path != real for row in self.folders()):
            return False
        self._change(lambda rows: tuple(row for row in rows if row.path != real))
        return True

    def folders(self) -> tuple[TrustedFolder, ...]:
        """All that are trusted. Raises StorageFailed."""
        return self._kept if self._file is None else self._file.folders()

    def _change(self, change: Callable[[tuple[TrustedFolder, ...]], tuple[TrustedFolder, ...]]) -> None:
        if self._file is None:
            self._kept = change(self._kept)
        else:
            self._file.change(change)

    def _covering(self, folder: Path) -> TrustedFolder | None:
        return self._of(self.folders(), folder)

    def _of(self, rows: Collection[TrustedFolder], folder: Path) -> TrustedFolder | None:
        by_path = {row.path: row for row in rows}
        real = Path(os.path.realpath(folder))
        for place in (real, *real.parents):
            row = by_path.get(str(place))
            covers = place == real or not self._home.is_relative_to(place)
            if row is not None and covers and row.inode == _inode(place):
                return row
            if os.path.lexists(place / ".git"):
                return None
        return None

    def _why_no_longer(self, folder: Path) -> str:
        real = os.path.realpath(folder)
        replaced = any(row.path == real for row in self.folders())
        return "another folder has taken the place of the one you trusted" if replaced else ""


# --- what a folder says ------------------------------------------------------------------------------------------------
def project_settings(folder: Path) -> dict[str, Any]:
    """What the settings of a folder say, by dotted name, as it stands. Raises OSError, and ValueError where it is not TOML."""
    return dict(_flat(_table(folder, SETTINGS_FILE), ()))


def is_steering(key: str) -> bool:
    """Whether a setting decides where keys, or what is written, go."""
    return key in STEERING or (key.startswith("models.") and key.endswith(".api_base"))


def digest_of(folder: Path, key: str, value: object) -> str:
    """What stands for a setting of a folder, to the letter, in the list of those that were approved."""
    said = f"{os.path.realpath(folder)}\0{SETTINGS_FILE}\0{key}\0{value!r}"
    return hashlib.sha256(said.encode("utf-8", "replace")).hexdigest()


def _waiting(folder: Path, trusted: bool, approved: Collection[str]) -> tuple[tuple[Waiting, ...], str]:
    """What waits, and a sentence where a file cannot be read."""
    found: list[Waiting] = []
    trouble = ""
    try:
        for key, value in project_settings(folder).items():
            digest = digest_of(folder, key, value) if is_steering(key) else ""
            if _could_count(key, value) and (digest not in approved if digest else not trusted):
                found.append(Waiting(SETTINGS_FILE, _as_written(key, value), digest))
        for file in () if trusted else RULE_FILES:
            allowed = _table(folder, file).get("allow")
            rules = cast(list[object], allowed) if isinstance(allowed, list) else []
            found += [Waiting(file, f"allow {rule}") for rule in rules]
    except (OSError, ValueError) as error:
        trouble = str(error)
    return tuple(found), trouble


def _table(folder: Path, file: str) -> dict[str, Any]:
    """An empty one where there is no such file. Raises OSError and ValueError, each a sentence."""
    path = folder / file
    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder)):
        raise OSError(f"{file} leads out of the folder, so it is not used")
    try:
        return read_table(path)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise OSError(f"{file} cannot be read ({error.strerror}), so it is not used") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file} is not valid TOML ({error}), so it is not used") from error


def _flat(table: Mapping[str, Any], above: tuple[str, ...]) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in table.items():
        deeper = isinstance(value, dict) and len(above) < 2 and (not above or above[0] == "models")
        found += _flat(cast(dict[str, Any], value), (*above, name)) if deeper else [(".".join((*above, name)), value)]
    return found


def _could_count(key: str, value: object) -> bool:
    if key == "permission_mode" or key in PERSONAL:
        return False
    try:
        fit_setting(key, value)
    except UsageError:
        return False
    return True


def _as_written(key: str, value: object) -> str:
    return f"{key} = {msgspec.json.encode(value).decode()}"


def _inode(folder: Path) -> str:
    """Which folder it is, whatever it is called; empty where there is none."""
    try:
        found = os.stat(folder)
    except OSError:
        return ""
    return f"{found.st_dev}:{found.st_ino}"
