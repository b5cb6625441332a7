"""What a git config says, read as git-config(1) has its syntax and not obeyed."""

import re
from collections.abc import Iterator
from typing import NamedTuple

INCLUDES = frozenset({"include.path", "includeif.path"})
PROGRAMS = frozenset(
    {
        *("core.fsmonitor", "core.editor", "core.pager", "core.sshcommand", "core.askpass", "sequence.editor"),
        *("filter.clean", "filter.smudge", "filter.process", "diff.command", "diff.external", "diff.textconv"),
        *("merge.driver", "gpg.program", "credential.helper"),
    }
)
"""Settings whose first word is a program that git starts."""
_CONTINUED = re.compile(r"(?<!\\)((?:\\\\)*)\\\r?\n")
_TOKEN = re.compile(
    r'\[\s*(?P<section>[\w-]+)(?:\.[^\]\s]*)?(?:\s+"(?:[^"\\\n]|\\.)*")?\s*\]'
    r'|(?P<key>[A-Za-z][A-Za-z0-9-]*)[ \t]*(?:=(?P<value>(?:"(?:[^"\\\n]|\\.)*"|\\.|[^"\\#;\n])*))?'
    r"|[#;][^\n]*"
)
_ESCAPES = {"n": "\n", "t": "\t", "b": "\b"}


class Setting(NamedTuple):
    """`name` is `section.key` in small letters, without a subsection."""

    name: str
    value: str


def settings(text: str) -> Iterator[Setting]:
    """All there are, in their order; what is no setting is passed over."""
    section = ""
    for token in _TOKEN.finditer(_CONTINUED.sub(r"\1", text)):
        if token["section"] is not None:
            section = token["section"].lower()
        elif token["key"] is not None:
            yield Setting(f"{section}.{token['key'].lower()}", _plain(token["value"] or ""))


def _plain(value: str) -> str:
    """A value without quotes and escapes."""
    return re.sub(r'\\(.)|"', lambda found: _ESCAPES.get(found[1] or "", found[1] or ""), value.strip())
