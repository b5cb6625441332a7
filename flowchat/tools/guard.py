"""What in folders a confined program may write stays as it is: settings and scripts that others run later.

Nothing here changes anything. Git's part follows gitrepository-layout(5) and gitdir files (git-worktree(1)).
"""

import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from errno import EMFILE, ENFILE, ENOMEM
from functools import cache
from pathlib import Path

from msgspec import Struct

from flowchat.tools.git_settings import INCLUDES, PROGRAMS, Setting, settings
from flowchat.tools.tool import Unprotectable

NO_ROOM = (EMFILE, ENFILE, ENOMEM)
"""Errors that say nothing of what was to be read."""
NAMES_ALWAYS = (".flowchat", ".vscode", ".idea", ".cursor", ".claude", ".agents", ".envrc", ".mcp.json", ".gitmodules")
"""At the top of a folder that may be written and of every repository in it: not even made where they are missing."""
NAMES_IF_THERE = (
    *(".husky", ".githooks", ".devcontainer", ".zed", ".windsurf", ".codex", ".gemini", ".lefthook.yml", "lefthook.yml"),
    *(".gitconfig", ".netrc", ".ssh", ".gnupg", ".aws", ".direnvrc", ".tool-versions", ".mise.toml"),
)
SHELL_START_FILES = (
    *(".bashrc", ".bash_profile", ".bash_login", ".bash_logout", ".bash_aliases", ".profile", ".inputrc"),
    *(".zshrc", ".zshenv", ".zprofile", ".zlogin", ".zlogout", ".cshrc", ".tcshrc", ".login", ".kshrc"),
)
"""In a home folder not even made where they are missing."""
HOME_FOLDERS = (
    *(".config", ".local", ".ssh", ".gnupg", ".aws", ".docker", ".kube", ".cargo", ".gem", ".m2", ".gradle", ".ipython"),
    *(".jupyter", ".vim", ".emacs.d", ".tmux", ".codex", ".gemini", "bin"),
)
HOME_FILES = (
    *SHELL_START_FILES,
    *(".gitconfig", ".netrc", ".npmrc", ".yarnrc", ".yarnrc.yml", ".pypirc", ".condarc", ".hgrc", ".claude.json", ".direnvrc"),
    *(".vimrc", ".exrc", ".emacs", ".nanorc", ".tmux.conf", ".screenrc", ".gdbinit", ".lldbinit", ".irbrc", ".pythonrc"),
    *(".Rprofile", ".pam_environment", ".xprofile", ".xinitrc", ".xsession", ".xsessionrc", ".Xresources", ".forward"),
)
"""In a home folder that is given to programs neither is made; nor is anything there changed whose name begins with a dot."""
FOLDERS_LIMIT = 20_000
"""So many folders are searched for repositories."""
REPOSITORIES_LIMIT = 64
_NOT_SEARCHED = frozenset({"node_modules", ".venv", "venv", "__pycache__", ".tox", ".mypy_cache", ".pytest_cache", ".git"})
_POINTS_TO_ITSELF = b".\n"
"""In a repository's `commondir`: what git would find without the file."""
_SIGNS, _ESCAPED = r"([\\*?\[\]!# ])", r"\\\1"
"""What gitignore(5) would not take as it stands."""
_INCLUDES_DEEP = 10
"""How far a git config's includes are followed: as far as git does."""
_WORK_TREE = r"(?im)^\s*worktree\s*=\s*\"?(.*?)\"?\s*$"
_FILE_LIMIT_BYTES = 256 * 1024


class Guard(Struct, frozen=True):
    """Absolute paths. `pinned` folders can be written but not moved, outer ones first; `read_only` things exist and stay as they
    are; `masked` ones are missing and are not made: each with what a file in its place has to say, None for a folder.

    `writable`: folders beyond those asked for, in which git keeps a worktree's commits. `ignored`: what files of a repository's
    own say that it ignores, and patterns for what is masked in it: git would clean that away. `note` says what was not looked at.
    """

    pinned: tuple[Path, ...] = ()
    read_only: tuple[Path, ...] = ()
    masked: tuple[tuple[Path, bytes | None], ...] = ()
    writable: tuple[Path, ...] = ()
    ignored: tuple[tuple[Path, bytes], ...] = ()
    note: str = ""

    def shared_with(self, other: "Guard") -> "Guard":
        """What another guard keeps in its place, too. Programs that run under that one could move anything else while walls are
        being built round it, and so have them built round something outside."""
        kept = {*other.pinned, *other.read_only, *(path for path, _ in other.masked)}
        return Guard(
            tuple(path for path in self.pinned if path in kept),
            tuple(path for path in self.read_only if path in kept),
            tuple((path, content) for path, content in self.masked if path in kept),
            tuple(path for path in self.writable if path in other.writable),
            tuple((path, content) for path, content in self.ignored if path in kept),
            self.note,
        )

    def why(self, text: str) -> str:
        """Which protected thing a message is about: a sentence part, empty where it is none."""
        found = self.named(text)
        return f"{found} is protected" if found is not None else ""

    def named(self, text: str) -> Path | None:
        """The protected thing that a message is about."""
        paths = (*self.read_only, *(path for path, _ in self.masked), *self.pinned)
        return max((path for path in paths if _is_named(path, text)), key=lambda path: len(path.parts), default=None)


class Found(Struct, frozen=True):
    """Repositories, worktrees and submodules below a folder. `note` says what was not looked at."""

    folders: tuple[Path, ...] = ()
    note: str = ""


def check(folder: Path, home: Path) -> None:
    """Raises Unprotectable for a folder that cannot be given to confined programs at all."""
    if folder in (Path("/"), *home.parents):
        raise Unprotectable(f"{folder} holds everything else")


def find_repositories(root: Path, known: Iterable[Path] = ()) -> Found:
    """Look for them; in a large folder that takes tenths of a second. Those `known` before count as long as they are there,
    whatever else there is to be looked through by now. Raises OSError where the system has no room to look."""
    found = [folder for folder in known if _may_be_repository(folder)]
    limit = REPOSITORIES_LIMIT + len(found)
    for folders, (where, below, files) in enumerate(os.walk(root, onerror=_passed_by), 1):
        if folders > FOLDERS_LIMIT or len(found) > limit:
            what = f"{FOLDERS_LIMIT:,} folders" if folders > FOLDERS_LIMIT else f"{REPOSITORIES_LIMIT} repositories"
            note = f"only the first {what} of {root} were searched for repositories to protect"
            return Found(tuple(dict.fromkeys(found)), note)
        is_bare = "HEAD" in files and "objects" in below and "refs" in below
        if (is_bare or ".git" in below or ".git" in files) and where != str(root):
            found.append(Path(where))
        passed = _NOT_SEARCHED | {"objects", "refs"} if is_bare else _NOT_SEARCHED
        below[:] = [name for name in below if name not in passed]
    return Found(tuple(dict.fromkeys(found)))


def _passed_by(error: OSError) -> None:
    """A folder that may not be read; raises where there is no room to read any: what is in it nobody has looked for then."""
    if error.errno in NO_ROOM:
        raise error


def _may_be_repository(folder: Path) -> bool:
    """Whether it is one; one that cannot be looked at may be."""
    try:
        (folder / ".git").lstat()
    except FileNotFoundError:
        return is_bare(folder)
    except NotADirectoryError:
        return False
    except OSError:
        return True
    return True


def is_bare(folder: Path) -> bool:
    """Whether git takes a folder itself for a repository, once it finds no better one in it."""
    return all(os.path.lexists(folder / name) for name in ("HEAD", "objects", "refs"))


def survey(folders: Mapping[Path, Found], home: Path, is_mask: Callable[[Path], bool], strict: bool = True) -> Guard:
    """What to protect of folders that may be written, by what was found in each; costs a millisecond.

    `is_mask`: whether a thing stands there only to keep a place taken. Raises Unprotectable, where it is `strict`, for links.
    """
    draft = _Draft(tuple(folders), home, is_mask, strict)
    for folder, found in folders.items():
        for top in (folder, *(repository for repository in found.folders if _is_folder(repository) and _is_straight(repository))):
            draft.names(top)
    return draft.guard(" and ".join(found.note for found in folders.values() if found.note))


class _Draft:
    """A Guard in the making."""

    def __init__(self, roots: Sequence[Path], home: Path, is_mask: Callable[[Path], bool], strict: bool) -> None:
        self._roots, self._home = roots, home
        self._is_mask, self._strict, self._is_straight = is_mask, strict, cache(_is_straight)
        self._of_user = [
            setting
            for file in (home / ".gitconfig", home / ".config/git/config")
            for setting in settings(_text(file))
            if setting.name == "core.hookspath"
        ]
        self._pinned: dict[Path, None] = {}
        self._read_only: dict[Path, None] = {}
        self._masked: dict[Path, bytes | None] = {}
        self._writable: dict[Path, None] = {}
        self._ignoring: dict[Path, Path] = {}

    def guard(self, note: str) -> Guard:
        pinned = tuple(sorted(self._pinned, key=lambda path: len(path.parts)))
        ignored = tuple((file, _text(file).encode() + self._patterns(top)) for file, top in self._ignoring.items())
        return Guard(pinned, tuple(self._read_only), tuple(self._masked.items()), tuple(self._writable), ignored, note)

    def _patterns(self, top: Path) -> bytes:
        masked = (path.relative_to(top) for path in self._masked if path.is_relative_to(top) and ".git" not in path.parts)
        return "".join(f"\n/{re.sub(_SIGNS, _ESCAPED, str(path))}" for path in masked).encode("utf-8", "surrogateescape") + b"\n"

    def names(self, top: Path) -> None:
        """What is protected by its name at the top of a folder or repository, and the repository's own."""
        self._pin(top / ".git")
        for name in NAMES_ALWAYS:
            self._keep(top / name, None, masks=True)  # a folder, whatever the name: git passes over an empty one
        for name in (*NAMES_IF_THERE, *SHELL_START_FILES):
            self._keep(top / name, None)
        if top == self._home:
            for entry in _entries(top):
                if entry.name.startswith(".") and entry.name != ".git":
                    self._keep(entry, None)
            for name in HOME_FOLDERS:
                self._keep(top / name, None, masks=True)
            for name in HOME_FILES:
                self._keep(top / name, b"", masks=True)
        self._git(top)

    def _git(self, top: Path) -> None:
        if is_bare(top):
            self._repository(top, top)
        kind = _kind(git := top / ".git")
        if kind == stat.S_IFDIR and not self._is_mask(git):
            self._pinned[git] = None
            self._repository(git, top)
        else:
            self._keep(git, None, masks=True)
            if kind == stat.S_IFREG and (common := _common_folder(git, top)) is not None:
                self._writable[common] = None
                self._repository(common, top)

    def _repository(self, git: Path, top: Path) -> None:
        """What others run or follow in git's own folder."""
        self._settings(git, top)
        if _kind(file := git / "info/exclude") == stat.S_IFREG and self._is_straight(file.parent):
            self._keep(file, b"")
            self._ignoring[file] = top
        self._keep(git / "commondir", _POINTS_TO_ITSELF, masks=True)
        for part in ("modules", "worktrees"):
            if _kind(git / part) != stat.S_IFDIR:
                self._keep(git / part, None)
                continue
            self._pinned[git / part] = None
            for folder in _git_folders(git / part):
                self._pinned.update(dict.fromkeys(p for p in (folder, *folder.parents) if p.is_relative_to(git / part)))
                self._settings(folder, top)
                for name in ("commondir", "gitdir"):
                    self._keep(folder / name, _POINTS_TO_ITSELF, masks=part == "modules" and name == "commondir")

    def _settings(self, git: Path, top: Path) -> None:
        linked = (git / "gitdir").exists()  # a worktree's folder: hooks and config are those of the repository
        self._keep(git / "config", b"", masks=not linked)
        self._keep(git / "config.worktree", b"", masks=True)
        self._keep(git / "hooks", None, masks=not linked)
        for setting in (*self._of_user, *self._said(git / "config"), *self._said(git / "config.worktree")):
            self._follow(setting, git, top)
        for hook in _entries(git / "hooks"):
            if hook.is_symlink() and (target := hook.resolve()).is_relative_to(top) and target.exists():
                self._keep(target, b"")

    def _said(self, config: Path, depth: int = 0) -> Iterator[Setting]:
        """What a config and what it includes say; such a file that is not there yet would be obeyed as well."""
        for setting in settings(_text(config)):
            yield setting
            if setting.name in INCLUDES and setting.value and depth < _INCLUDES_DEEP:
                file = self._named(setting.value, config.parent)
                if not self._holds(file):
                    continue
                if self._strict and _kind(file) is None:
                    raise Unprotectable(f"{config} includes {file}, which is not there: whoever makes it sets what git does")
                self._keep(file, b"")
                yield from self._said(file, depth + 1)

    def _follow(self, setting: Setting, git: Path, top: Path) -> None:
        """Hooks and programs of the tree that git is told to start, where they are or would be."""
        if setting.name == "core.hookspath":
            self._keep_place(self._named(setting.value, top), top)
            inner = self._named(setting.value, git)
            if _kind(inner) is not None and inner.is_relative_to(top) and not git.is_relative_to(inner):
                self._keep(inner, None)
            return
        words = setting.value.lstrip("!").split()
        for word in (word.strip("\"'!;") for word in words):
            if "/" in word and _kind(top / word) == stat.S_IFREG and _is_straight((top / word).parent):
                self._keep(Path(os.path.normpath(top / word)), b"")
        if setting.name in PROGRAMS and words and re.fullmatch(r"(?:\./)?[\w.-]+(?:/[\w.-]+)+", words[0]):
            self._keep_place(self._named(words[0], top), top)

    def _named(self, value: str, base: Path) -> Path:
        """Where a path in a config leads."""
        value = f"{self._home}/{value[2:]}" if value.startswith("~/") else value
        return Path(os.path.normpath(base / value))

    def _holds(self, path: Path) -> bool:
        """Whether a confined program could make it."""
        return any(path.is_relative_to(folder) for folder in (*self._roots, *self._writable))

    def _keep_place(self, path: Path, top: Path) -> None:
        """Protect what is there; where something on the way is missing, the place of that."""
        if path == top or not path.is_relative_to(top):
            return
        way = [folder for folder in (*reversed(path.parents), path) if folder.is_relative_to(top)]
        missing = next((folder for folder in way if _kind(folder) is None or self._is_mask(folder)), path)
        self._keep(missing, None, masks=True)

    def _pin(self, path: Path) -> None:
        """Keep the folders it lies in from being moved away with it."""
        for parent in path.parents:
            if parent in self._roots or parent in self._writable or not self._holds(parent):
                break
            self._pinned[parent] = None

    def _keep(self, path: Path, missing: bytes | None, masks: bool = False) -> None:
        """Protect what is there; where nothing is and `masks`, its place: by a file that says `missing`, None: a folder."""
        kind = _kind(path)
        if kind == stat.S_IFLNK or not self._is_straight(path.parent):
            if self._strict:
                what = "is" if kind == stat.S_IFLNK else "lies beyond"
                raise Unprotectable(f"{path} {what} a symbolic link, which a sandbox cannot keep from being replaced")
        elif kind is None or self._is_mask(path):
            if masks:
                self._masked.setdefault(path, missing)
                self._pin(path)
        else:
            self._read_only[path] = None
            self._pin(path)


def _git_folders(modules: Path) -> Iterator[Path]:
    """Folders of git's own below `modules` or `worktrees`: a submodule's name may have slashes in it."""
    for where, below, files in os.walk(modules):
        if "HEAD" in files:
            yield Path(where)
            below[:] = [name for name in below if name == "modules"]


def _common_folder(git: Path, top: Path) -> Path | None:
    """Where git keeps the commits of a folder whose `.git` is a file; None if that is inside of it, or does not point back.

    Only what points back is believed: anyone could have written the file.
    """
    named = _text(git).removeprefix("gitdir:").strip()
    folder = (top / named).resolve() if named else top
    if folder.is_relative_to(top) or not (folder / "HEAD").is_file():
        return None
    if back := _text(folder / "gitdir").strip():
        common = (folder / _text(folder / "commondir").strip()).resolve()
        points_back = (folder / back).resolve() == git.resolve() and folder.parent == common / "worktrees"
    else:
        common, tree = folder, re.search(_WORK_TREE, _text(folder / "config"))
        points_back = tree is not None and (folder / tree[1]).resolve() == top.resolve() and "modules" in folder.parts
    return common if points_back else None


def _is_straight(path: Path) -> bool:
    """Whether no link is on the way."""
    return os.path.realpath(path) == str(path)


def _is_folder(path: Path) -> bool:
    """Raises Unprotectable where that cannot be told."""
    try:
        return path.is_dir()
    except OSError as error:
        raise Unprotectable(f"{path} cannot be looked at ({error.strerror})") from None


def _kind(path: Path) -> int | None:
    try:
        return stat.S_IFMT(path.lstat().st_mode)
    except OSError:
        return None


def _text(path: Path) -> str:
    """A small file's text; empty where there is none."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return ""
        with path.open("rb") as file:
            return file.read(_FILE_LIMIT_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


def _entries(folder: Path) -> list[Path]:
    try:
        return [Path(entry.path) for entry in os.scandir(folder)]
    except OSError:
        return []


def _is_named(path: Path, text: str) -> bool:
    """Whether a message names a path, whole or by its last part, with its parent's where it has one in .git."""
    short = f"{path.parent.name}/{path.name}" if ".git" in path.parent.parts else path.name
    return str(path) in text or re.search(rf"(?<![\w.-]){re.escape(short)}(?![\w-])", text) is not None
