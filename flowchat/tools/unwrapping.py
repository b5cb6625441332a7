"""Every command in a text, for rules that deny: as written, without its folder, and what wrappers, shells and `-exec` would run.

It errs towards naming too much: what cannot be read for certain gives each word with those behind it.
"""

import re
from collections.abc import Callable, Iterable, Sequence

from flowchat.tools.grammar import shape
from flowchat.tools.tables import Runs, Table

Lookup = Callable[[str], Table | None]
Argv = tuple[str, ...]
WORDS_OF_A_GUESS = 100
"""How much of a command is kept where only guessed: a rule names its first words."""
_QUOTED = re.compile(
    r"""\$'(?P<ansi>(?:[^'\\]|\\.)*)'|\$?"(?P<double>(?:[^"\\]|\\.)*)"|'(?P<single>[^']*)'|\\(?P<escaped>.)""", re.DOTALL
)
_ANSI = re.compile(r"\\(?:x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{1,4})|U([0-9a-fA-F]{1,8})|([0-7]{1,3})|(.))", re.DOTALL)
_ESCAPED = re.compile(r'\\([\\"$`])')
_VARIABLE = re.compile(r"\$(?:\w+|[@*#?$!-]|\{[^{}]*\})")
_BETWEEN = re.compile(r"\\\n|&&|\|\||[|;&\n()`]|\$\(|[<>]\(")
_APART = re.compile(r"[\s{},<>=]+")
_UNKNOWN = re.compile(r"[$`*?\[{]")
_ASSIGNED = re.compile(r"\w+\+?=")


class Said:
    """Collects the commands of a text and of all texts in it; `murky` says why some may be missing, empty if none is."""

    def __init__(self, lookup: Lookup) -> None:
        self.murky = ""
        self._lookup = lookup
        self._argvs: dict[Argv, None] = {}
        self._texts: set[str] = set()

    @property
    def argvs(self) -> tuple[Argv, ...]:
        return tuple(self._argvs)

    def hear(self, text: str) -> None:
        """A command line in a command: an argument of `sh -c`, of `eval`, of `ssh`."""
        waiting = [text]
        while waiting:
            text = waiting.pop()
            if text in self._texts:
                continue
            self._texts.add(text)
            whole = text.replace("\\\n", "").encode("utf-8", "replace").decode().replace("\0", " ")
            found = shape(whole)
            for words in found.commands:
                waiting.extend(self.add(tuple(map(unquoted, words))))
            if found.murky:
                self.murky = "a part of it shows only when it runs"
            if self.murky:
                self.guess(whole)

    def add(self, argv: Argv) -> list[str]:
        """One command, and those it would run; gives the command lines among its arguments."""
        waiting, texts = [(argv, False)], list[str]()
        while waiting:
            argv, guessed = waiting.pop()
            if not argv or argv in self._argvs:
                continue
            self._argvs[argv] = None
            if _UNKNOWN.search(argv[0]):
                self.murky = self.murky or "which program it runs does not show"
            program = argv[0].rpartition("/")[2]
            waiting.extend(((name, *argv[1:]), guessed) for name in (program, program.casefold()) if name != argv[0])
            table = self._lookup(program.casefold())
            if table is None or table.runs is None:
                continue
            inner, guesses, lines, murky = _run_by(table.runs, argv, guessed)
            waiting.extend((one, guessed) for one in inner)
            waiting.extend((one, True) for one in guesses)
            texts.extend(lines)
            if table.runs.within and not guessed:
                for word in argv[1:]:
                    self.guess(word)
            if murky:
                self.murky = self.murky or f"what {program} runs does not show"
        return texts

    def guess(self, text: str) -> None:
        """Every word of a text with those behind it, as if a command began there."""
        for line in _BETWEEN.split(_VARIABLE.sub("", text)):
            words = [word for word in (unquoted(each) for each in _APART.split(line)) if word]
            for at in range(len(words)):
                argv = tuple(words[at : at + WORDS_OF_A_GUESS])
                self._argvs[argv] = None
                program = argv[0].strip("\"'+!:").rpartition("/")[2]
                if program and program != argv[0]:
                    self._argvs[program, *argv[1:]] = None

    def skim(self, text: str) -> None:
        """The first words of what may be commands in a text too long to be read."""
        for line in _BETWEEN.split(text):
            if words := [word for word in (unquoted(each) for each in line.split()) if word][:WORDS_OF_A_GUESS]:
                for argv in (tuple(words), (words[0].rpartition("/")[2], *words[1:])):
                    self._argvs[argv] = None


def unquoted(word: str) -> str:
    """A word as its program gets it, as far as its text tells."""
    return _QUOTED.sub(_literal, word) if any(sign in word for sign in "\\'\"") else word


def _literal(found: re.Match[str]) -> str:
    if found["ansi"] is not None:
        return _ANSI.sub(_character, found["ansi"])
    if found["double"] is not None:
        return _ESCAPED.sub(r"\1", found["double"])
    return found["single"] if found["single"] is not None else found["escaped"]


def _character(found: re.Match[str]) -> str:
    for group, base in ((1, 16), (2, 16), (3, 16), (4, 8)):
        if found[group] is not None:
            number = int(found[group], base)
            return chr(number) if number < 0x110000 and not 0xD800 <= number < 0xE000 else ""
    return {"n": "\n", "t": "\t", "a": "", "e": "", "r": "\r"}.get(found[5], found[5])


def _run_by(runs: Runs, argv: Argv, guessed: bool) -> tuple[list[Argv], list[Argv], list[str], bool]:
    """What a wrapper runs: commands, words that may begin one, command lines, and whether there may be more.

    What could be guessed in a wrapper that was `guessed` itself was guessed with it.
    """
    rest = _behind_options(runs, argv) if runs.rest else ()
    own = len(argv) - len(rest or ())
    tried = () if guessed or not runs.after else range(1, own)
    after = [one for at in tried if argv[at] in runs.after for one in _up_to(argv[at + 1 :], runs.ends)]
    lines = _lines_of(runs, argv[:own]) if runs.lines or runs.config else []
    if runs.anywhere or rest is None:
        lines.extend((" ".join(argv[1:]), *(word for word in argv if " " in word)) if runs.joined else ())
        return [], [*after, *(() if guessed else _suffixes(argv))], lines, runs.murky
    if runs.joined and rest:
        lines.append(" ".join(rest))
    inner = [rest] if rest and not runs.joined else []
    return inner, after, lines, runs.murky or (runs.murky_without and not lines) or _is_given(runs.murky_with, argv)


def _is_given(options: Sequence[str], argv: Argv) -> bool:
    """Whether one of these options is among a program's own, alone or in a cluster; behind -m they are a module's."""
    own = argv[1 : argv.index("-m")] if "-m" in argv else argv[1:]
    letters = {option[1] for option in options if len(option) == 2}
    return any(
        word.partition("=")[0] in options or (word[:1] == "-" and word[1:2] != "-" and bool(letters & set(word[1:])))
        for word in own
    )


def _lines_of(runs: Runs, argv: Argv) -> list[str]:
    """The command lines among a wrapper's own arguments. What one option has brought is not looked at again."""
    lines: list[str] = []
    at = 1
    while at < len(argv):
        found = list(_lines_at(runs, argv, at))
        lines.extend(line for line in found if line)
        at += max(1, len(found))
    return lines


def _lines_at(runs: Runs, argv: Argv, at: int) -> Iterable[str]:
    """The command lines that an option brings: in its own word, and in those behind it up to the first that is no option."""
    word = argv[at]
    if word[:1] not in "-+!" and "=!" not in word:
        return
    name, given, value = word.partition("=")
    if runs.config and (value.startswith("!") or word.startswith("!")):
        yield (value or word)[1:]
    letters = "".join(line[1] for line in runs.lines if len(line) == 2)
    cluster = re.match(f"-[a-zA-Z]*?[{letters}]", word) if letters else None
    if given and name in runs.lines:
        yield value.removeprefix("exec=")  # as tar's --checkpoint-action has it
    elif name in runs.lines or cluster is not None:
        if cluster is not None:
            yield word[cluster.end() :]
        for behind in argv[at + 1 :]:
            yield behind
            if not behind.startswith(("-", "+")):
                break


def _up_to(words: Argv, ends: Sequence[str]) -> list[Argv]:
    last = next((at for at, word in enumerate(words) if word in ends), len(words))
    return [words[:last]] if last else []


def _behind_options(runs: Runs, argv: Argv) -> Argv | None:
    """The command behind a wrapper's own options and arguments; None where an option is not known."""
    at = 1
    while at < len(argv):
        word = argv[at]
        name, given, _ = word.partition("=")
        if word == "--":
            at += 1
            break
        if name in runs.values:
            at += 1 if given else 2
        elif name in runs.flags or (len(word) > 2 and not word.startswith("--") and word[:2] in runs.values):
            at += 1
        elif word.startswith("-") and len(word) > 1:
            if not all(f"-{letter}" in runs.flags for letter in word[1:]):
                return None
            at += 1
        elif runs.assignments and _ASSIGNED.match(word):
            at += 1
        else:
            break
    rest = argv[at + runs.skip :]
    return None if rest and rest[0].startswith("-") else rest


def _suffixes(argv: Argv) -> list[Argv]:
    return [argv[at : at + WORDS_OF_A_GUESS] for at in range(1, len(argv))]
