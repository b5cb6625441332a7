"""Command lines grown from the tables and from what slips past them, quoted in every way bash knows: the same for a seed."""

import random
from collections.abc import Iterator

from flowchat.tools.options import Usage
from flowchat.tools.tables import own_programs, table_for

FILES = (
    "a.txt",
    "b.txt",
    "src",
    "src/a.py",
    "src/b.py",
    ".",
    "./a.txt",
    "missing",
    "x.sh",
    "a b.txt",
    "evil",
    "bare",
    "docs/é.md",
    "1",
    "PWNED",
)
GLOBS = ("*.txt", "src/*.py", "*", "?.txt", "[ab].txt", "src/*", "./*", "*.nothing")
REVISIONS = ("HEAD", "HEAD~1", "main", "main..HEAD", "HEAD:a.txt", "v1", "stash@{0}", "HEAD^")
TEXTS = (
    "foo",
    "hello",
    "a|b",
    "x y",
    "^a",
    "a$",
    "{}",
    "1",
    "%s",
    "-",
    "",
    "*.py",
    "!x",
    "#x",
    "a=b",
    "\\",
    "'",
    '"',
    "~",
    "[",
    "]",
)
NUMBERS = ("0", "1", "5", "20", "+2", "-3", "10k")
EVIL = (
    *(
        "-o",
        "-oPWNED",
        "--output=PWNED",
        "--output",
        "PWNED",
        "-exec",
        "touch",
        ";",
        "+",
        "-delete",
        "-fprint",
        "-ok",
        "-w",
        "-i",
    ),
    *("--pre=./x.sh", "--pre", "./x.sh", "--compress-program=./x.sh", "-x", "-X", "--exec", "-O./x.sh", "-c", "-C", "--ext-diff"),
    *(
        "--textconv",
        "--open-files-in-pager=./x.sh",
        "-z",
        "-f",
        "-F",
        "-L",
        "-s",
        "-D",
        "-d",
        "-m",
        "-u",
        "--edit",
        "-R",
        "-T",
        "-v",
    ),
    *("core.pager=./x.sh", "--show-signature", "--format=%G?", "--pager=./x.sh", "a[$(touch PWNED)]", "--files0-from=a.txt"),
    *("1e touch PWNED", "w PWNED", "s/a/touch PWNED/e", "-P", "--git-dir=evil", "--exec-path=evil", "-", "--", "%n", "newbranch"),
)
RAW = (
    *(
        "$(touch PWNED)",
        "`touch PWNED`",
        "$HOME",
        "${x:-y}",
        "<(touch PWNED)",
        ">PWNED",
        ">>PWNED",
        "<a.txt",
        "{a,b}",
        "$'x'",
        "~",
    ),
    *("& touch PWNED", "; touch PWNED", "| touch PWNED", "&& touch PWNED", "\n touch PWNED", "2>&1", "2>/dev/null", ">/dev/null"),
    *("<<<x", "|& cat", "&>/dev/null", "# touch PWNED", "\\\n", "()", "!", "x=1", "=ls", "@{u}", "\t", "</dev/null", ">&2", "{}"),
)
JOINTS = (" && ", " || ", " | ", "; ", "\n", ";", "|", "&&", " \\\n | ", "\n\n", " # no\n")
ALL = tuple(table for name in own_programs() if (table := table_for(name)) is not None and not table.never)


def commands(seed: int, wild: float = 0.15) -> Iterator[str]:
    """Without end. `wild` is how often something that must not pass is thrown in."""
    chance = random.Random(seed)
    while True:
        parts = [_simple(chance, wild) for _ in range(chance.choice((1, 1, 1, 2, 2, 3)))]
        text = parts[0]
        for part in parts[1:]:
            text += chance.choice(JOINTS) + part
        yield text


def _simple(chance: random.Random, wild: float) -> str:
    table = chance.choice((*ALL, *[table for table in ALL if table.program in ("git", "find", "rg", "grep", "sort", "sed")] * 4))
    words = [table.program, *_arguments(chance, table.usage)]
    written = [quoted(chance, word) for word in words]
    written += [chance.choice(GLOBS)] if chance.random() < 0.08 else []
    if chance.random() < wild:
        written.insert(chance.randint(1, len(written)), quoted(chance, chance.choice(EVIL)))
    if chance.random() < wild:
        written.insert(chance.randint(0, len(written)), chance.choice(RAW))
    return chance.choice((" ", " ", " ", "  ", "\t")).join(written)


def _arguments(chance: random.Random, usage: Usage) -> list[str]:
    if usage.commands and chance.random() < 0.95:
        name = chance.choice(list(usage.commands))
        return [name, *_arguments(chance, usage.commands[name])]
    words: list[str] = []
    if usage.needs and chance.random() < 0.9:
        words += _option(chance, usage, chance.choice(usage.needs))
    for _ in range(chance.choice((0, 0, 1, 1, 2, 3))):
        words += _option(chance, usage, chance.choice([*usage.flags, *usage.values, *usage.attached, "-3"]))
    kinds = [usage.first or usage.operands, *[usage.operands] * chance.choice((0, 0, 1, 2))]
    words = _clustered(words) if chance.random() < 0.2 else words
    kept = kinds if usage.at_least or chance.random() < 0.8 else []
    operands = [_value(chance, kind) for kind in kept if kind != "none"]
    return [*operands, *words] if usage.words and chance.random() < 0.7 else [*words, *operands]


def _clustered(words: list[str]) -> list[str]:
    """Letters written in one word, with whatever stands behind them."""
    found: list[str] = []
    for word in words:
        joins = bool(found) and found[-1][:1] == "-" and len(word) > 1 and word[0] == "-" and "-" not in (word[1], found[-1][1:2])
        found[-1:] = [found[-1] + word[1:]] if joins else [*found[-1:], word]
    return found


def _option(chance: random.Random, usage: Usage, name: str) -> list[str]:
    if name in usage.values:
        value = _value(chance, usage.values[name])
        if usage.words or chance.random() < 0.5:
            return [name, value]
        return [f"{name}={value}"] if name.startswith("--") else [name + value]
    if name in usage.attached and chance.random() < 0.5:
        value = _value(chance, usage.attached[name])
        return [f"{name}={value}"] if name.startswith("--") else [name + value]
    return [name]


def _value(chance: random.Random, kind: str) -> str:
    kind = kind.rstrip("?")
    if kind == "path":
        return chance.choice((*FILES, *FILES, *REVISIONS))
    if kind == "number":
        return chance.choice(NUMBERS)
    if kind == "text" or kind == "word":
        return chance.choice((*TEXTS, *TEXTS, *EVIL))
    return chance.choice(
        (*NUMBERS, *TEXTS, *EVIL, "1,3p", "5p", "$p", "+%F", "%h %s", "2", "u+x", "recurse", "user.name", "HEAD")
    )


def quoted(chance: random.Random, word: str) -> str:
    """A way to write a word so that bash reads it as it is."""
    style = chance.random()
    plain = word and not set(word) & set(" \t\n\\'\"$`&|;<>(){}*?[]~#!^=")
    if plain and style < 0.8:
        return word
    if style < 0.4 and "'" not in word:
        return f"'{word}'"
    if style < 0.7 or not word:
        return '"' + "".join("\\" + sign if sign in '\\"$`' else sign for sign in word) + '"'
    return "".join(_escaped(chance, sign) for sign in word)


def _escaped(chance: random.Random, sign: str) -> str:
    if sign == "\n" or sign == "'":
        return f'"{sign}"'
    bare = sign.isalnum() or sign in "-_./,:%+@"
    return chance.choice((sign,) * 6 + (f"'{sign}'", f"\\{sign}")) if bare else chance.choice((f"'{sign}'", f"\\{sign}"))


_SCRIBBLED = (
    *("a", "b", "aa", "b1", "1", "2", " ", " ", " ", "\t", "\n", "'", "'", '"', '"', "\\", "\\\n", "#", ";", "&&", "&", "<", ">"),
    *(
        "2>&1",
        ">/dev/null",
        "2>/dev/null",
        "&>/dev/null",
        "{",
        "}",
        "@",
        "{}",
        "@{a}",
        "=",
        "!",
        "-",
        "*",
        "?",
        "[",
        "]",
        "$",
        "(",
    ),
    *(")", "`", "é", "%", "^", ",", "..", "a=", "\\ ", "\\'", "$'", '"$"', ">&2", "</dev/null", "a ", "b "),
)


def scribbles(seed: int) -> Iterator[str]:
    """Signs that mean something to a shell, thrown together, without end; no `|` and no `/` among them."""
    chance = random.Random(seed)
    while True:
        yield "a " + "".join(chance.choice(_SCRIBBLED) for _ in range(chance.randint(2, 14)))
