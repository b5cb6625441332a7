"""Judgement of a shell command from its text alone: does it only read, and what would it run that a rule may deny."""

import posixpath
import sys
from collections.abc import Mapping, Sequence
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from flowchat.tools.grammar import shape
from flowchat.tools.plain import NotPlain, Simple, Word, read, refused_text
from flowchat.tools.tables import Table, only_reads, subcommand, table_for
from flowchat.tools.unwrapping import Said

FOLDERS_LIMIT = 8
"""In how many folders a command may turn out to run before it is not followed further."""
_MOVING = ("cd", "pushd", "popd")
_ANSWERED = "git"
"""Its settings are answered from outside (only_reading.py) where the whole line only reads: beside others it obeys them."""
_UNTRIED = ("darwin",)
"""Where those answers have not been tried on a real machine yet."""


class Part(Struct, frozen=True):
    """One simple command of a plain text. `why`, part of a sentence, is empty where a table proves that it only reads.

    `paths` are words that may name files, relative to the workspace, and `patterns` those that bash looks files up with (a
    quoted star is escaped as in the module glob); either may start with `~`. Both lie where a `cd` before them leads.
    `named`: the program and the subcommands its table knows, () where there is no table. `strict`: a rule that names only
    its first words does not free it, since the table knows this use is none of those such a rule means. `obeys`: the
    settings of the folder it runs in have a say in what it does, so the folder must be trusted.
    """

    argv: tuple[str, ...]
    text: str
    why: str
    paths: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    named: tuple[str, ...] = ()
    strict: bool = False
    obeys: bool = False

    @property
    def read_only(self) -> bool:
        return not self.why


class Judged(Struct, frozen=True):
    """`plain`: two readings agree that it is simple commands of literal words and nothing else, which are the `parts`, in
    order. `reason`, part of a sentence, says why it is not known to only read; empty if it is.

    `said` is every argv that a deny rule is tried on: the parts, what wrappers, shells and substitutions among them run, and
    guesses where that cannot be read. `murky`, part of a sentence, says why it may run what is not in `said`; mostly empty.
    """

    command: str
    plain: bool
    parts: tuple[Part, ...]
    reason: str
    said: tuple[tuple[str, ...], ...]
    murky: str = ""

    @property
    def read_only(self) -> bool:
        return not self.reason


def judge_command(
    command: str, workspace: str = "", more: Mapping[str, Table] | None = None, platform: str = sys.platform
) -> Judged:
    """Judge a text that bash is to run as it is, in `workspace` (where a `cd` to it is no move). Never raises.

    `more` are tables of the user's, for programs that flowchat has none for.
    """
    lookup = partial(_table, more or {})
    said = Said(lookup)
    if why := refused_text(command):
        said.skim(command)
        return Judged(command, False, (), why, said.argvs, why)
    commands = read(command)
    if isinstance(commands, NotPlain):
        said.hear(command)
        return Judged(command, False, (), commands.why, said.argvs, said.murky)
    if why := _disagreement(command, commands):
        said.hear(command)
        return Judged(command, False, (), why, said.argvs, said.murky or why)
    parts: list[Part] = []
    places = _Places(workspace)
    for simple in commands:
        argv = tuple(word.text for word in simple.words)
        table = lookup(argv[0])
        parts.append(_part(simple, argv, table, places))
        for line in said.add(argv):
            said.hear(line)
    if said.murky:
        said.guess(command)
    reason = next((part.why for part in parts if part.why), "")
    if reason or platform in _UNTRIED or any(part.argv[0] in (more or {}) for part in parts):
        parts = [replace(part, obeys=True) if part.argv[0] == _ANSWERED and part.read_only else part for part in parts]
    return Judged(command, True, tuple(parts), reason, said.argvs, said.murky)


def _table(more: Mapping[str, Table], program: str) -> Table | None:
    return table_for(program) or more.get(program)


def _disagreement(command: str, commands: tuple[Simple, ...]) -> str:
    """Why the grammar does not see the same words, as part of a sentence; empty if it does."""
    found = shape(command)
    if found.odd:
        return f"it contains {found.odd}, which is more than plain commands"
    joints = tuple(one.joint for one in commands if one.joint not in ("", ";"))
    written = tuple(() if one.words[0].text == "[" else tuple(word.written for word in one.words) for one in commands)
    if found.plain != written or found.joints != joints:
        return "two readings of it do not agree"
    return ""


def _part(simple: Simple, argv: tuple[str, ...], table: Table | None, places: "_Places") -> Part:
    places.pass_joint(simple.joint)
    if table is None:
        places.lost = places.lost or argv[0] in _MOVING
        return Part(argv, simple.source, f"{argv[0][:40]!r} is not known to only read")
    words = simple.words
    if argv[:2] == (_ANSWERED, "-C") and places.stays(words[2:3]):
        words = words[:1] + words[3:]
    proof = only_reads(table, words)
    elsewhere = places.why_not(table)
    why = proof.why or elsewhere
    named = () if table.never else subcommand(table, argv)
    is_known = proof.known and not elsewhere
    strict = bool(why) and not is_known and ((bool(elsewhere) and argv[0] == _ANSWERED) or _is_strict(table, argv, named))
    paths = tuple(path for word in proof.paths if not word.pattern for path in places.lead(_shown(word, word.text)))
    patterns = tuple(path for word in proof.paths if word.pattern for path in places.lead(_shown(word, word.pattern)))
    if argv[0] == "cd" and not why:
        why = places.move(_shown(simple.words[-1], simple.words[-1].text), simple.joint)
    places.lost = places.lost or bool(why and argv[0] in _MOVING)
    return Part(argv, simple.source, why, paths, patterns, named, strict, proof.obeys)


def _is_strict(table: Table, argv: tuple[str, ...], named: tuple[str, ...]) -> bool:
    """Whether the table knows all of what a rule with these first words means."""
    usage = table.usage
    for name in named[1:]:
        usage = usage.commands[name]
    if usage.general:
        return False
    behind = argv[max(1, len(named)) :]
    if not usage.commands or (bool(behind) and behind[0].startswith("-")):
        return True
    spoiling = usage.spoils.get(behind[0], ()) if behind else ()
    return any(_is_abbreviated(word, option) for word in behind[1:] for option in spoiling)


def _is_abbreviated(word: str, option: str) -> bool:
    """Whether a word is an option, however it is shortened, clustered or given its value."""
    if word.startswith("--"):
        return len(word) > 3 and option.startswith(word.partition("=")[0])
    return (option[:1] != "-" and word == option) or (len(option) == 2 and word[:1] == "-" and option[1] in word[1:])


def _shown(word: Word, text: str) -> str:
    return f"./{text}" if text.startswith("~") and not word.home else text


class _Places:
    """The folders, relative to the workspace, that commands may run in: more than one where a `cd` may have failed."""

    def __init__(self, workspace: str) -> None:
        self._workspace = posixpath.normpath(workspace) if workspace else ""
        self._now = {""}
        self._before: set[str] = set()
        self.lost = False

    def pass_joint(self, joint: str) -> None:
        if joint in (";", "||", "|"):
            self._now |= self._before

    def why_not(self, table: Table) -> str:
        if self.lost:
            return "the folder it runs in does not show"
        if table.program == "git" and self._now != {""}:
            return "git obeys the settings of the folder that cd leads to"
        return ""

    def stays(self, words: Sequence[Word]) -> bool:
        """Whether a word names the workspace, for a program that runs in it."""
        here = [word for word in words if ".." not in word.text and not word.pattern]
        return (
            any(posixpath.normpath(word.text) in (".", self._workspace) for word in here) and self._now == {""} and not self.lost
        )

    def lead(self, path: str) -> list[str]:
        if path == "/dev/null" or path == "-":
            return []
        if path.startswith(("/", "~")):
            return [path]
        return [posixpath.join(place, path) for place in sorted(self._now)]

    def move(self, target: str, joint: str) -> str:
        if posixpath.normpath(target) in (".", self._workspace) and ".." not in target and self._now == {""}:
            return ""
        if joint == "|" or target == "-" or len(self._now) > FOLDERS_LIMIT or self._is_unclear(target):
            return "where cd leads to does not show"
        self._before |= self._now
        self._now = {"" if place == "." else place for place in map(posixpath.normpath, self.lead(target))}
        return ""

    def _is_unclear(self, target: str) -> bool:
        """Whether `..` may lead back from a link, or from where it leads: bash takes the first that is there."""
        names = [name for name in target.split("/") if name not in ("", ".")]
        below = [name for name in names if name != ".."]
        if target.startswith(("/", "~")):
            return len(below) < len(names)
        return names[len(names) - len(below) :] != below or (len(below) < len(names) and bool(below) and self._now != {""})
