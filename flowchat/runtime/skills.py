"""The skills there are for one folder: where they lie, which of them count, which the user has switched off.

A skill is a folder with a SKILL.md. Of two with the same name that of the project counts, and in either scope that of the
earlier place. A project's are not even opened before the user trusts the folder.
"""

import os
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Literal, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from flowchat.config import Folders, read_settings
from flowchat.runtime.skill_file import FILE_LIMIT_BYTES, SkillText, read_skill
from flowchat.tools import files
from flowchat.tools.protected import SKILL_NAME
from flowchat.tools.tool import NotDone

PROJECT_PLACES = (".flowchat/skills", ".agents/skills", ".claude/skills")
HOME_PLACES = (".agents/skills", ".claude/skills")
"""Beside `skills` in flowchat's own folder of settings, which comes first."""
PLACE_LIMIT = 200
"""So many folders of one place are looked at."""
SETTING = "skills.off"
LASTS = "It lasts until you leave: set HOME or FLOWCHAT_HOME to a folder, and it is kept"

Scope = Literal["project", "user"]
State = Literal["on", "off", "shadowed", "untrusted", "invalid"]


class Skill(Struct, frozen=True):
    """`name` is that of its folder where it cannot be read. `file` has no links in it. `place` is as people read it.

    `why` is a clause: why it does not count, or what of it does not.
    """

    name: str
    file: Path
    scope: Scope
    place: str
    state: State = "on"
    why: str = ""
    text: SkillText | None = None

    @property
    def folder(self) -> Path:
        return self.file.parent

    @property
    def refusal(self) -> str:
        """Why naming it adds nothing, a clause; empty where it adds it."""
        if self.state != "on":
            return self.why
        return "" if self.text is None or self.text.for_user else "it is for the model alone"


class Found(Struct, frozen=True):
    """All of them in the order in which they count; `troubles` are sentences about places."""

    skills: tuple[Skill, ...] = ()
    troubles: tuple[str, ...] = ()

    def named(self, name: str) -> Skill | None:
        """The one that counts under a name, else the first that would."""
        ranked = sorted((skill for skill in self.skills if skill.name == name), key=lambda skill: skill.state != "on")
        return ranked[0] if ranked else None

    @property
    def lent(self) -> tuple[Path, ...]:
        """The folders outside the workspace that may be read: those of the user's skills that count."""
        return tuple(skill.folder for skill, _ in self.usable() if skill.scope == "user")

    def usable(self) -> Iterator[tuple[Skill, SkillText]]:
        """Those that count, with what they say."""
        return ((skill, skill.text) for skill in self.skills if skill.state == "on" and skill.text is not None)


class _Place(Struct, frozen=True):
    """`within`: where what it holds must lie, links followed."""

    folder: Path
    scope: Scope
    shown: str
    within: tuple[Path, ...]


_Read: TypeAlias = dict[Path, tuple[object, SkillText | str]]
"""What each file said, or why it is no skill, with what changes when the file does."""


class Skills:
    """`looked` is what was found when it was looked last."""

    def __init__(
        self,
        workspace: Path,
        home: Path | None = None,
        folders: Folders | None = None,
        trusted: Callable[[], bool] = lambda: True,
    ) -> None:
        """`workspace` is canonical; `trusted`: whether what it says may be obeyed, which may block."""
        self._workspace, self._home, self._trusted = workspace, home, trusted
        self._settings_file = folders.settings_file if folders else None
        self._own = folders.config / "skills" if folders else None
        self._off: frozenset[str] = frozenset()
        """Where there is no file of settings."""
        self._read: _Read = {}
        self.looked = Found()

    @property
    def own_place(self) -> str:
        """Where a skill for all projects goes, as people read it; empty where there is no such place."""
        return self._shown(self._own) if self._own is not None else ""

    def look(self) -> Found:
        """All of them as they are now. Blocks for the disk, raises nothing."""
        off, trusted = self._switched_off(), self._trusted()
        found: list[Skill] = []
        troubles: list[str] = []
        seen: set[Path] = set()
        read: _Read = {}
        taken: set[str] = set()
        for place in self._places():
            for folder in self._folders(place, troubles):
                skill = self._skill(place, folder, place.scope == "user" or trusted, read)
                if skill.file in seen:
                    continue
                seen.add(skill.file)
                if skill.state == "on" and self.id_of(skill) in off:
                    skill = replace(skill, state="off", why="turned off")
                elif skill.state == "on" and skill.name in taken:
                    counts = next(one for one in found if one.name == skill.name and one.state == "on")
                    skill = replace(skill, state="shadowed", why=f"the one in {counts.place} has its name and counts")
                elif skill.state == "on":
                    taken.add(skill.name)
                found.append(skill)
        self._read = read
        self.looked = Found(tuple(found), tuple(troubles))
        return self.looked

    def switch(self, skill: Skill, on: bool) -> str:
        """Let it count, or not; gives what there is to say of that. Blocks. Raises UsageError, StorageFailed."""
        known = self.id_of(skill)
        if self._settings_file is None:
            self._off = self._off - {known} if on else self._off | {known}
            return LASTS
        from flowchat.store.settings_file import save_listed

        return save_listed(self._settings_file, SETTING, known, not on) or ""

    def id_of(self, skill: Skill) -> str:
        """What it is called in the settings."""
        return f"{skill.scope}:{self._shown(skill.folder)}"

    def path_of(self, skill: Skill) -> str:
        """Its file as people read it: from the workspace, or from home."""
        inside = skill.file.is_relative_to(self._workspace)
        return str(skill.file.relative_to(self._workspace)) if inside else self._shown(skill.file)

    # --- places ------------------------------------------------------------------------------------------------------
    def _places(self) -> Iterator[_Place]:
        """In the order in which they count. What is the user's own place is that, even in a workspace above it."""
        mine = [self._own] if self._own is not None else []
        mine += [self._home / place for place in HOME_PLACES] if self._home is not None else []
        real = tuple(_real(folder) for folder in mine)
        for place in PROJECT_PLACES:
            folder = self._workspace / place
            if _real(folder) not in real:
                yield _Place(folder, "project", place, (self._workspace,))
        for folder in mine:
            yield _Place(folder, "user", self._shown(folder), real)

    def _folders(self, place: _Place, troubles: list[str]) -> list[Path]:
        """The folders of skills in a place, by name."""
        if place.scope == "project" and not _real(place.folder).is_relative_to(self._workspace):
            troubles.append(f"{place.shown} leads out of this folder, so nothing in it is used")
            return []
        try:
            with os.scandir(place.folder) as entries:
                names = (entry.name for entry in entries if not entry.name.startswith(".") and _is_folder(entry))
                found = sorted(islice(names, PLACE_LIMIT + 1))
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            troubles.append(f"{place.shown} cannot be read ({error.strerror})")
            return []
        if len(found) > PLACE_LIMIT:
            troubles.append(f"{place.shown} holds more than {PLACE_LIMIT} folders; only so many are looked at")
        folders = (place.folder / name for name in found[:PLACE_LIMIT])
        return [folder for folder in folders if os.path.lexists(folder / SKILL_NAME)]

    def _skill(self, place: _Place, folder: Path, obeyed: bool, read: _Read) -> Skill:
        file = _real(folder / SKILL_NAME)
        bare = Skill(folder.name, file, place.scope, place.shown)
        if not str(file).isprintable():
            return replace(bare, state="invalid", why="its path has characters that cannot be seen")
        if not any(file.is_relative_to(top) and file.parent != top for top in place.within):
            return replace(bare, state="invalid", why="a link leads out of the folder of skills")
        if not obeyed:
            return replace(bare, state="untrusted", why="this folder is not trusted: /trust")
        said = self._said(file, read)
        if isinstance(said, str):
            return replace(bare, state="invalid", why=said)
        return replace(bare, name=said.name, text=said, why="its description is cut" if said.was_cut else "")

    def _said(self, file: Path, read: _Read) -> SkillText | str:
        """What it says, opened again where the file has changed; or why that cannot be known. Goes into `read`."""
        try:
            found = os.stat(file)
            stamp = found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino
            before = self._read.get(file)
            read[file] = before if before is not None and before[0] == stamp else (stamp, _read(file))
            return read[file][1]
        except OSError as error:
            return f"it cannot be read ({error.strerror})"

    # --- what was switched off ---------------------------------------------------------------------------------------
    def _switched_off(self) -> frozenset[str]:
        """As the file is now: another flowchat may have changed it."""
        return self._off if self._settings_file is None else frozenset(read_settings(self._settings_file)[0].skills.off)

    def _shown(self, path: Path) -> str:
        home = self._home
        return f"~/{path.relative_to(home)}" if home is not None and path.is_relative_to(home) else str(path)


def _read(file: Path) -> SkillText | str:
    try:
        with files.opened(file) as opened, open(opened, "rb", closefd=False) as stream:
            return read_skill(stream.read(FILE_LIMIT_BYTES + 1))
    except NotDone as error:
        return str(error).replace(f"{file} ", "it ", 1).removeprefix(f"{file}: ")
    except ValueError as error:
        return str(error)


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that goes round in a circle, or to where nobody may look
        return False


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))
