"""Tables of programs' options: which uses of a program only read, as data in `programs/*.toml` beside this file.

A table lists what is known to be harmless; whatever it does not list (an unknown option, an abbreviation, one operand more)
is not. Each carries examples of both kinds, checked whenever it is loaded.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from msgspec import Struct, ValidationError, convert
from msgspec.structs import replace

from flowchat.tools.options import Proof, Usage, kind_pattern, prove
from flowchat.tools.plain import NotPlain, Word, read

_FOLDER = Path(__file__).with_name("programs")
_SIGNS = {"[": "test", ":": "true", ".": "source"}
_NAME = re.compile(r"[a-z0-9][a-z0-9._+-]{0,60}")
_AT_LINE = re.compile(r"at line (\d+)")
_FIELD = re.compile(r"`\$[^`]*?([\w-]+)`|unknown field `([\w-]+)`")


class Runs(Struct, frozen=True, forbid_unknown_fields=True):
    """What else a program runs, for rules that deny.

    `rest`: its arguments, after its own options (`flags`, `values`), `assignments` and `skip` words, are a command; `joined`:
    a command line. `anywhere`: any argument may be where a command begins. `after`: options whose following words, up to one
    of `ends`, are a command. `lines`: options whose value is a command line. `config`: an argument `a.b=!line` or `!line` is
    one. `within`: a command may begin at any word within its arguments, which are in a language of its own.
    `murky`: it runs what its words do not show; `murky_without`: it does where it is given none of these; `murky_with`: where
    one of these options is given.
    """

    flags: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    assignments: bool = False
    skip: int = 0
    rest: bool = False
    joined: bool = False
    anywhere: bool = False
    after: tuple[str, ...] = ()
    ends: tuple[str, ...] = (";", "+")
    lines: tuple[str, ...] = ()
    config: bool = False
    murky: bool = False
    murky_without: bool = False
    murky_with: tuple[str, ...] = ()
    within: bool = False


class _Source(Usage, frozen=True, forbid_unknown_fields=True):
    match: tuple[str, ...] = ()
    not_match: tuple[str, ...] = ()
    same_as: str = ""
    never: str = ""
    runs: Runs | None = None


class Table(Struct, frozen=True):
    """What is known of a program. `never`, part of a sentence, says why no use of it counts as reading."""

    program: str
    usage: Usage
    never: str = ""
    runs: Runs | None = None


class BadTable(Exception):
    """A table that cannot be used: `line` of its text (0: none in particular) and what is wrong with it."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(f"line {line}: {what}" if line else what)
        self.line = line
        self.what = what


@lru_cache(512)
def table_for(program: str) -> Table | None:
    """flowchat's own table for a program, loaded when it is first asked for. Raises BadTable."""
    program = _SIGNS.get(program, program)
    file = _FOLDER / f"{program}.toml"
    if _NAME.fullmatch(program) is None or not file.is_file():
        return None
    return read_table(program, file.read_text(encoding="utf-8"))


class Problem(Struct, frozen=True):
    """A table of the user's that is not used, and why."""

    file: Path
    line: int
    what: str


def user_tables(folder: Path) -> tuple[Mapping[str, Table], tuple[Problem, ...]]:
    """The tables in a folder of the user's, for programs that flowchat has none for, and what is wrong with the others."""
    tables: dict[str, Table] = {}
    problems: list[Problem] = []
    for file in sorted(folder.glob("*.toml")):
        try:
            if table_for(file.stem) is not None:
                raise BadTable(0, f"flowchat has a table for {file.stem} itself")
            tables[file.stem] = read_table(file.stem, file.read_text(encoding="utf-8"))
        except BadTable as bad:
            problems.append(Problem(file, bad.line, bad.what))
        except (OSError, UnicodeDecodeError) as error:
            problems.append(Problem(file, 0, f"it cannot be read: {error}"))
    return tables, tuple(problems)


def own_programs() -> tuple[str, ...]:
    """The names that flowchat has tables for."""
    return tuple(sorted(file.stem for file in _FOLDER.glob("*.toml")))


def read_table(program: str, text: str) -> Table:
    """The table a TOML text is. Raises BadTable where it is none, or where one of its examples comes out otherwise."""
    try:
        source = convert(tomllib.loads(text), _Source)
    except tomllib.TOMLDecodeError as error:
        at = _AT_LINE.search(str(error))
        raise BadTable(int(at[1]) if at else len(text.splitlines()), str(error)) from None
    except ValidationError as error:
        field = _FIELD.search(str(error))
        raise BadTable(_line(text, field[1] or field[2]) if field else 0, str(error)) from None
    if source.same_as:
        return _same(program, source)
    table = Table(program, _resolved(source, source, text), source.never, source.runs)
    _check(table, source, text)
    return table


def only_reads(table: Table, words: Sequence[Word]) -> Proof:
    """Whether a use of a program only reads. `words` begin with the program's name."""
    return Proof(table.never) if table.never else prove(table.usage, words, table.program)


def subcommand(table: Table, argv: Sequence[str]) -> tuple[str, ...]:
    """The first words of a use that a rule can name: the program, and the subcommands that its table knows."""
    usage, names = table.usage, [table.program]
    for word in argv[1:]:
        if (below := usage.commands.get(word)) is None:
            break
        names.append(word)
        usage = below
    return tuple(names)


def _same(program: str, source: _Source) -> Table:
    other = table_for(source.same_as)
    if other is None:
        raise BadTable(0, f"there is no table for {source.same_as!r}")
    return Table(program, other.usage, other.never, other.runs)


def _resolved(usage: Usage, whole: Usage, text: str) -> Usage:
    """A usage with those that its subcommands are `like` filled in."""
    commands = {name: _resolved(below, whole, text) for name, below in usage.commands.items()}
    if not usage.like:
        return replace(usage, commands=commands)
    other = whole.commands.get(usage.like)
    if other is None or other.like:
        raise BadTable(_line(text, usage.like), f"there is no subcommand {usage.like!r} to be like")
    return replace(
        other,
        flags=(*other.flags, *usage.flags),
        values={**other.values, **usage.values},
        attached={**other.attached, **usage.attached},
    )


def _check(table: Table, source: _Source, text: str) -> None:
    _check_kinds(source, text)
    if not source.never and not (source.match and (source.not_match or source.anything)):
        raise BadTable(0, "it needs examples: match and not_match")
    for example, wanted in (*((one, True) for one in source.match), *((one, False) for one in source.not_match)):
        commands = read(example)
        if isinstance(commands, NotPlain) or len(commands) != 1:
            raise BadTable(_line(text, example), f"the example {example!r} is not one plain command")
        if commands[0].words[0].text not in (table.program, *_SIGNS):
            raise BadTable(_line(text, example), f"the example {example!r} is of another program than {table.program}")
        why = only_reads(table, commands[0].words).why
        if (why == "") != wanted:
            said = f"only reads, by this table: {example!r}" if not why else f"the example {example!r} is refused: {why}"
            raise BadTable(_line(text, example), said)


def _check_kinds(usage: Usage, text: str) -> None:
    for kind in (*usage.values.values(), *usage.attached.values(), usage.operands, usage.first):
        try:
            kind_pattern(kind)
        except re.error as error:
            raise BadTable(_line(text, kind), f"{kind!r} is no pattern: {error}") from None
        if kind.rstrip("?") not in ("", "text", "word", "path", "number", "none") and not kind.startswith("/"):
            raise BadTable(_line(text, kind), f"{kind!r} is no kind of value: text, word, path, number, none or /pattern/")
    for below in usage.commands.values():
        _check_kinds(below, text)


def _line(text: str, sought: str) -> int:
    lines = text.splitlines()
    spellings = (sought, sought.replace("\\", "\\\\"), sought.replace('"', '\\"'))
    return next((number for number, line in enumerate(lines, 1) if any(one in line for one in spellings)), 0)
