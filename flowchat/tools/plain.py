"""Plain command lines: simple commands of literal words, joined by `&&`, `||`, `|`, `;` and newlines, and nothing else of bash.

What is read here means in bash exactly what it says: a text with anything that bash would expand, substitute or group is
refused with the reason. Globs and a leading `~` are let through and marked, since what they become is files.
"""

import glob
import re
import unicodedata

from msgspec import Struct

LONGEST_CHARS = 10_000
"""A longer command is no line anyone reads before allowing it."""
_GLOB = re.compile(r"[*?\[]")
_OUTSIDE = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"))
_UNPRINTED = re.compile(r"[^\t\n -~]")
_MARKED = re.compile(r"[\\'\"*?\[~]")
_TILDE = re.compile(r"[=:]~|\A~[-+\d]")
_ABOVE = re.compile(r"(?:\A|/)\.[*?\[.]|[*?\[].*/\.\.(?:/|\Z)", re.DOTALL)
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*(?:\[.*\])?\+?=", re.DOTALL)
_RESERVED = frozenset(
    {
        *("if", "then", "else", "elif", "fi", "case", "esac", "while", "until", "for", "select", "in", "do", "done"),
        *("function", "time", "coproc", "{", "}", "!", "[[", "]]"),
    }
)
NULL_REDIRECT = re.compile(r"(?:[12]?>>?|&>>?|0?<)[ \t]*/dev/null|[12]?>&[12]")
"""The redirections that touch no file."""
_TOKEN = re.compile(  # a word is its longest reading or none; Python 3.11.2 matches nothing with `++` after a group
    r"""
    (?P<blank>[ \t]+(?:\\\n[ \t]*)*)
  | (?P<comment>\#[^\n]*)
  | (?P<redirect>(?:(?:[12]?>>?|&>>?|0?<)[ \t]*/dev/null|[12]?>&[12])(?=[\s;|&]|\Z))
  | (?P<joint>&&|\|\||[|;\n])
  | (?P<word>
      (?=(?P<longest>(?:
          [^\s'"\\$`;&|<>(){}]+ | (?<=@)\{[\w-]+\} | \{\} | \\[^\n] | '[^']*' | "(?:[^"\\$`]|\\[^\n]|\$(?=[\x20|)/"]))*"
      )+))(?P=longest)(?![<>{}])
    )
    """,
    re.VERBOSE,
)
_PIECE = re.compile(r"""(?P<bare>[^\\'"]+)|\\(?P<escaped>.)|'(?P<single>[^']*)'|"(?P<double>(?:[^"\\]|\\.)*)\"""", re.DOTALL)
_ESCAPED = re.compile(r'\\([\\"$`])')


class Word(Struct, frozen=True):
    """One word: as `written`, as the program gets it, the `pattern` in it that bash looks files up with (empty without a
    glob; quoted stars are escaped), and whether it starts at someone's `home`."""

    written: str
    text: str
    pattern: str = ""
    home: bool = False


class Simple(Struct, frozen=True):
    """One simple command, its words and its source. `joint` is what stands before it: `&&`, `||`, `|`, `;`, or nothing."""

    words: tuple[Word, ...]
    source: str
    joint: str


class NotPlain(Struct, frozen=True):
    """`why` is part of a sentence about the command."""

    why: str


def refused_text(text: str) -> str:
    """Why a text is not judged at all, as part of a sentence; empty if it is."""
    if len(text) > LONGEST_CHARS:
        return f"it is longer than {LONGEST_CHARS:,} characters"
    for found in _UNPRINTED.finditer(text):
        if unicodedata.category(found.group()) in _OUTSIDE:
            return f"it contains the invisible or control character U+{ord(found.group()):04X}"
    return ""


def read(text: str) -> tuple[Simple, ...] | NotPlain:
    """The simple commands of a text that `refused_text` lets through, in order."""
    commands: list[Simple] = []
    words: list[Word] = []
    joint, starts, ends, at = "", 0, 0, 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            return NotPlain(_why_at(text, at))
        kind, token, begins = found.lastgroup, found.group(), at
        at = found.end()
        if kind == "blank" or kind == "comment":
            continue
        if kind == "joint":
            if token == "\n" and not words:
                continue
            if not words:
                return NotPlain("a command is missing in it")
            commands.append(Simple(tuple(words), text[starts:ends], joint))
            words, joint = [], ";" if token == "\n" else token
            continue
        if kind == "word":
            word = _word(token)
            if why := _why_not(word, first=not words):
                return NotPlain(why)
            if not words:
                starts = begins
            words.append(word)
        elif not words:
            return NotPlain("a redirection comes first in it")
        ends = at
    if words:
        commands.append(Simple(tuple(words), text[starts:ends], joint))
    elif joint != ";" or not commands:
        return NotPlain("a command is missing in it")
    return tuple(commands)


def _word(token: str) -> Word:
    if _MARKED.search(token) is None:
        return Word(token, token)
    texts: list[str] = []
    patterns: list[str] = []
    starry = False
    for piece in _PIECE.finditer(token):
        if (bare := piece["bare"]) is not None:
            starry = starry or _GLOB.search(bare) is not None
            texts.append(bare)
            patterns.append(bare)
            continue
        double = piece["double"]
        literal = _ESCAPED.sub(r"\1", double) if double is not None else piece["escaped"] or piece["single"] or ""
        texts.append(literal)
        patterns.append(glob.escape(literal))
    return Word(token, "".join(texts), "".join(patterns) if starry else "", token.startswith("~"))


def _why_not(word: Word, first: bool) -> str:
    if first and (_ASSIGNMENT.match(word.written) or word.written in _RESERVED or word.text.startswith("%")):
        return f"{word.written[:40]!r} is shell syntax, not a program"
    if first and word.written != "[" and (word.pattern or word.home):
        return "the program's name is a pattern"
    if "~" in word.written and _TILDE.search(word.written):
        return "a ~ in it may stand for another folder"
    if word.pattern and _ABOVE.search(word.pattern):
        return f"{word.written[:40]!r} may match the folder above"
    return ""


_WHYS = (
    (re.compile(r"\$\(|`"), "it runs a command to make a part of itself"),
    (re.compile(r"\$"), "it contains an expansion"),
    (re.compile(r"[<>]\("), "it runs a command to make a part of itself"),
    (re.compile(r"<<"), "it contains a text for a program's input"),
    (re.compile(r"[0-9]*[<>]|&>"), "it redirects to or from a file"),
    (re.compile(r"&"), "it leaves a program running in the background"),
    (re.compile(r"[()]"), "it groups commands or defines one"),
    (re.compile(r"[{}]"), "it contains braces, which may become several words"),
)


def _why_at(text: str, at: int) -> str:
    rest = text[at : at + 2 * LONGEST_CHARS]
    found = sorted((match.start(), number) for number, (what, _) in enumerate(_WHYS) if (match := what.search(rest)))
    return _WHYS[found[0][1]][1] if found else "a quote or a word in it does not end"
