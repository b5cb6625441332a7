"""Uses of programs read option by option: does this one only read? An allow-list: what it does not name is refused."""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from msgspec import Struct

from flowchat.tools.plain import Word

_NUMBER = re.compile(r"-\d+")
_WORD = re.compile(r"(?!-.).*", re.DOTALL)


class Usage(Struct, frozen=True, forbid_unknown_fields=True):
    """How a program, or one of its subcommands, may be used.

    A kind is `text`, `word` (a text that does not begin with a dash), `path`, `number`, `none` or a /pattern/ that the whole
    value matches; a `?` behind it lets the value be missing at the end. `values`: options that take a value, in the same word
    or the next. `attached`: options that may take one, in the same word only. `numbers`: -5 is an option. `first`: the kind of
    the first operand, unless an option of `instead` was given. `operands_with`: operands need one of these options. `needs`:
    one of these options must be there. `globs`: a file whose name looks like an option does no harm. `words`: options are
    whole words, as find has them. `apart`: a letter's value is the next word, whatever stands behind the letter. `ordered`: no
    option follows an operand. `anything`: every argument is an operand. `general`: a rule that names no more than the program
    means all that it does. `obeys`: the folder's own settings have a say in what it does. `like`: it is used as that
    subcommand of the program, with what is added here. `does`, part of a sentence, is what such a use does besides reading; a
    rule that names it means these uses. `spoils`: for subcommands that are not known the options by which they run programs.
    """

    flags: tuple[str, ...] = ()
    values: dict[str, str] = {}
    attached: dict[str, str] = {}
    numbers: bool = False
    operands: str = "path"
    first: str = ""
    instead: tuple[str, ...] = ()
    at_least: int = 0
    at_most: int | None = None
    operands_with: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    globs: bool = False
    words: bool = False
    apart: bool = False
    ordered: bool = False
    anything: bool = False
    general: bool = False
    obeys: bool = False
    like: str = ""
    does: str = ""
    spoils: dict[str, tuple[str, ...]] = {}
    commands: dict[str, "Usage"] = {}


class Proof(Struct, frozen=True):
    """`why` is empty where a use only reads; else part of a sentence. `paths` are words that may name files, `patterns`
    those that bash looks files up with; `obeys`: the folder's own settings have a say in it; `known`: it does nothing but
    `why`."""

    why: str
    paths: tuple[Word, ...] = ()
    obeys: bool = False
    known: bool = False


def prove(usage: Usage, words: Sequence[Word], name: str) -> Proof:
    """Whether a use only reads. `words` begin with the program or the subcommand, which a reason calls `name`."""
    use = _Use(usage, name)
    rest = iter(words[1:])
    try:
        if usage.anything:
            use.operands.extend(rest)
        elif usage.words:
            _read_words(use, rest)
        elif (below := _read_options(use, rest)) is not None:
            return prove(usage.commands[below.text], (below, *rest), f"{name} {below.text}")
        return use.finish()
    except _Refused as refused:
        return Proof(str(refused))


@lru_cache(512)
def kind_pattern(kind: str) -> re.Pattern[str] | None:
    """What a whole value of a kind matches, None for text and paths. Raises re.error."""
    if kind == "number":
        return re.compile(r"[-+]?\d+[a-zA-Z%]{0,3}")
    if kind == "word":
        return _WORD
    return re.compile(kind.removesuffix("?")[1:-1], re.DOTALL) if kind.startswith("/") else None


class _Refused(Exception):
    """Why a use is not known to only read."""


class _Use:
    """One use as it is read from left to right: its options, its operands, and the files it may name."""

    def __init__(self, usage: Usage, name: str) -> None:
        self.usage = usage
        self.given: set[str] = set()
        self.operands: list[Word] = []
        self.paths: list[Word] = []
        self._name = name

    def option(self, name: str, value: Word | None) -> None:
        self.given.add(name)
        usage = self.usage
        kind = usage.values.get(name) or usage.attached.get(name) or "text"
        if value is not None:
            self.value(kind.removesuffix("?"), value, f"the value of {name}")

    def value(self, kind: str, word: Word, what: str) -> None:
        if kind == "none":
            raise _Refused(f"{self._name} is given {word.written[:40]!r}")
        if word.pattern and kind == "text" and self.usage.globs:
            kind = "path"
        if word.pattern and kind != "path":
            raise _Refused(f"{what} is a pattern for files")
        pattern = kind_pattern(kind)
        if pattern is not None and pattern.fullmatch(word.text) is None:
            raise _Refused(f"{what} is {word.text[:40]!r}")
        if kind == "path":
            self.paths.append(word)

    def finish(self) -> Proof:
        usage = self.usage
        if usage.needs and not self.given.intersection(usage.needs):
            raise _Refused(f"{self._name} does more than read here")
        if self.operands and usage.operands_with and not self.given.intersection(usage.operands_with):
            raise _Refused(f"{self._name} {self.operands[0].written[:40]} may change something")
        if usage.at_most is not None and (len(self.operands) > usage.at_most or any(word.pattern for word in self.operands)):
            raise _Refused(f"{self._name} may write to its last argument")
        if len(self.operands) < usage.at_least:
            raise _Refused(f"{self._name} lacks an argument")
        first = usage.first if usage.first and not self.given.intersection(usage.instead) else usage.operands
        for number, word in enumerate(self.operands):
            self.value(first if number == 0 else usage.operands, word, "its argument")
        return Proof(usage.does, tuple(self.paths), usage.obeys, known=True)


def _read_options(use: _Use, rest: Iterator[Word]) -> Word | None:
    """Options and operands as getopt takes them; gives the word that names a subcommand, if one comes."""
    usage = use.usage
    for word in rest:
        text = word.text
        if text == "--":
            use.operands.extend(rest)
        elif text.startswith("-") and text != "-":
            _check_order(use)
            _read_option(use, word, rest)
        elif usage.commands and not use.operands:
            if text in usage.commands and not word.pattern:
                return word
            raise _Refused(f"{text[:40]!r} is not known to only read")
        else:
            if word.pattern and not usage.globs and word.pattern[0] in "*?[":
                raise _Refused(f"a file that {word.written[:40]!r} matches may look like an option")
            use.operands.append(word)
    return None


def _check_order(use: _Use) -> None:
    if use.operands and (use.usage.ordered or use.usage.at_most is not None):
        raise _Refused("an option stands behind an argument")  # where options are not sorted, it is one more argument


def _read_option(use: _Use, word: Word, rest: Iterator[Word]) -> None:
    text, usage = word.text, use.usage
    if usage.numbers and _NUMBER.fullmatch(text):
        return
    if not text.startswith("--"):
        if word.pattern:
            raise _Refused(f"{word.written[:40]!r} is a pattern for files")
        _read_short(use, word, rest)
        return
    name, given, value = text.partition("=")
    if word.pattern and (not given or not word.pattern.startswith(name + "=")):
        raise _Refused(f"{word.written[:40]!r} is a pattern for files")
    if given and (kind := usage.values.get(name) or usage.attached.get(name)):
        if word.pattern and kind != "text":
            raise _Refused(f"the value of {name} is a pattern for files")
        use.option(name, Word(word.written, value))
    elif name in usage.values and not given:
        use.option(name, _next(name, usage.values[name], rest))
    elif not given and (name in usage.flags or name in usage.attached):
        use.option(name, None)
    else:
        raise _Refused(f"{name[:40]} is not known to only read")


def _read_short(use: _Use, word: Word, rest: Iterator[Word]) -> None:
    usage, letters = use.usage, word.text[1:]
    for at, letter in enumerate(letters, 1):
        name, behind = f"-{letter}", letters[at:]
        if name in usage.flags:
            use.option(name, None)
        elif name in usage.values:
            in_word = behind and not usage.apart
            use.option(name, Word(word.written, behind) if in_word else _next(name, usage.values[name], rest))
            if not usage.apart:
                return
        elif name in usage.attached:
            use.option(name, Word(word.written, behind) if behind else None)
            return
        else:
            raise _Refused(f"{name} is not known to only read")


def _next(name: str, kind: str, rest: Iterator[Word]) -> Word | None:
    value = next(rest, None)
    if value is None and not kind.endswith("?"):
        raise _Refused(f"{name} lacks its value")
    if value is not None and value.pattern:
        raise _Refused(f"the value of {name} is a pattern for files")
    if value is not None and kind.removesuffix("?") == "path" and len(value.text) > 1 and value.text.startswith("-"):
        raise _Refused(f"the value of {name} is {value.text[:40]!r}")
    return value


def _read_words(use: _Use, rest: Iterator[Word]) -> None:
    """Options that are whole words, operands among them."""
    usage = use.usage
    for word in rest:
        text = word.text
        if text in usage.values or text in usage.flags:
            _check_order(use)
        if (kind := usage.values.get(text)) is not None:
            value = _next(text, kind, rest)
            if value is not None and value.text.startswith("-") and kind_pattern(kind) is None:
                raise _Refused(f"the value of {text} is {value.text[:40]!r}")
            use.option(text, value)
        elif text in usage.flags:
            use.option(text, None)
        elif text.startswith(("-", "(", ")", "!", ",")):
            raise _Refused(f"{text[:40]!r} is not known to only read")
        elif word.pattern and word.pattern[0] in "*?[":
            raise _Refused(f"a file that {word.written[:40]!r} matches may look like an option")
        else:
            use.operands.append(word)
