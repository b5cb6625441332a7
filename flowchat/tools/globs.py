"""Path patterns: `*` and `?` within a name, `**` across folders, `[ab]`, `{a,b}`."""

import re
from functools import lru_cache

PATTERN_LIMIT_CHARS = 500
STARS_LIMIT = 10
_MEANINGFUL = re.compile(r"\*\*/|\*\*|\*|\?|\[!?[^\]/]+\]|[{},]")


@lru_cache(256)
def compile_glob(pattern: str) -> re.Pattern[str]:
    """A pattern that matches a whole path with `/` between its names.

    `a/**` is `a` and everything in it, `**/b` a `b` at any depth, the top included. Unclosed braces stand for themselves.
    Raises ValueError, with a sentence, for what is too long, too starry to be matched in a short time, or no pattern.
    """
    if len(pattern) > PATTERN_LIMIT_CHARS or pattern.count("*") > STARS_LIMIT:
        raise ValueError(f"{pattern[:60]!r} is too long or has too many stars")
    try:
        return _compiled(pattern)
    except re.error as error:
        raise ValueError(f"{pattern!r} is not a path pattern: {error}") from None


@lru_cache(256)
def literal_path(pattern: str) -> str | None:
    """The one path a pattern stands for, or None where there can be more. `[*]` is a star that is only itself."""
    if pattern.endswith("/**"):
        return None
    plain, at = "", 0
    for found in _MEANINGFUL.finditer(pattern):
        token = found.group()
        plain += pattern[at : found.start()]
        at = found.end()
        if token == "," or (token in "{}" and pattern.count("{") != pattern.count("}")):
            plain += token
        elif token[0] == "[" and len(token) == 3:
            plain += token[1]
        else:
            return None
    return plain + pattern[at:]


def glob_for(path: str) -> str:
    """The pattern that stands for this path and no other."""
    return re.sub(r"[*?\[{}]", r"[\g<0>]", path)


def _compiled(pattern: str) -> re.Pattern[str]:
    if pattern == "**":
        return re.compile(r"(?s:.*)\Z")
    below = pattern.endswith("/**")
    body = _translated(pattern[:-3] if below else pattern)
    return re.compile(f"(?s:{body}{'(?:/.*)?' if below else ''})\\Z")


def _translated(pattern: str) -> str:
    braces = pattern.count("{") == pattern.count("}") and "{" in pattern
    parts: list[tuple[str, str]] = []
    at, depth = 0, 0
    for found in _MEANINGFUL.finditer(pattern):
        parts.append(_plainly(pattern[at : found.start()]))
        at = found.end()
        token = found.group()
        if token in "{},":
            meaning, depth = _brace(token, depth) if braces else (re.escape(token), depth)
            parts.append(("other", meaning))
        else:
            parts.append(("*" if token == "*" else "one" if token[0] in "?[" else "other", _meaning(token)))
    return _joined([*parts, _plainly(pattern[at:]), ("other", ")" * depth)])


def _plainly(text: str) -> tuple[str, str]:
    return "other" if "/" in text else "one", re.escape(text)


def _joined(parts: list[tuple[str, str]]) -> str:
    """A star with characters and one more star behind it takes the first place where they fit: if any place does, that one
    does, so none is tried twice."""
    out: list[str] = []
    at, groups = 0, 0
    while at < len(parts):
        kind, meaning = parts[at]
        end = at + 1
        while kind == "*" and end < len(parts) and parts[end][0] == "one":
            end += 1
        if kind == "*" and end < len(parts) and parts[end][0] == "*":
            groups += 1  # a group looked ahead for is not tried again
            out.append(rf"(?=([^/]*?{''.join(text for _, text in parts[at + 1 : end])}))\{groups}")
            at = end
        else:
            out.append(meaning)
            at += 1
    return "".join(out)


def _brace(token: str, depth: int) -> tuple[str, int]:
    if token == "{":
        return "(?:", depth + 1
    if depth == 0:
        return re.escape(token), 0
    return ("|", depth) if token == "," else (")", depth - 1)


def _meaning(token: str) -> str:
    match token:
        case "**/":
            return "(?:.*/)?"
        case "**":
            return ".*"
        case "*":
            return "[^/]*"
        case "?":
            return "[^/]"
        case _:
            negated = token.startswith("[!")
            return f"[{'^/' if negated else ''}{re.escape(token[1 + negated : -1]).replace(chr(92) + '-', '-')}]"
