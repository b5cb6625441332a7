"""Command lines as tree-sitter's bash grammar sees them: a second reading of plain ones, and every command in the others."""

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from msgspec import Struct

from flowchat.tools.plain import NULL_REDIRECT

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

_PLAIN_NODES = frozenset(
    {
        *("program", "list", "pipeline", "command", "command_name", "word", "number", "concatenation", "comment"),
        *("string", "string_content", "raw_string", "redirected_statement", "file_redirect", "file_descriptor", "test_command"),
    }
)
_PLAIN_TOKENS = frozenset(("&&", "||", "|", ";", "\n", '"', "$", ">", ">>", "<", "&>", "&>>", ">&", "[", "]", ""))
_LEAVES = frozenset(("word", "number", "raw_string", "string_content", "comment"))
_WORDS = frozenset(("word", "number", "raw_string", "string", "concatenation"))
_NOT_LITERAL = re.compile(r"[$`*?\[{~]|[<>]\(")


class Shape(Struct, frozen=True):
    """What the grammar makes of a text: `odd` names the first thing beyond the plain ones (empty if there is none), `plain`
    holds the written words of each command, () for a test in brackets, `joints` what stands between commands, `commands` the
    written words of every command at any depth (what a redirection opens is one called `<`), `murky` whether something in it
    can be read only by running it."""

    odd: str
    plain: tuple[tuple[str, ...], ...]
    joints: tuple[str, ...]
    commands: tuple[tuple[str, ...], ...]
    murky: bool


def shape(text: str) -> Shape:
    """Takes a text without NUL and lone surrogates."""
    root = _parser().parse(text.encode()).root_node
    walk = _Walk()
    walk.all(root)
    murky = root.has_error or any(_NOT_LITERAL.search(words[0]) for words in walk.commands)
    return Shape("an error" if root.has_error else walk.odd, tuple(walk.plain), tuple(walk.joints), tuple(walk.commands), murky)


@lru_cache(1)
def _parser() -> "Parser":
    from tree_sitter import Language, Parser
    from tree_sitter_bash import language

    return Parser(Language(language()))


class _Walk:
    def __init__(self) -> None:
        self.odd = ""
        self.plain: list[tuple[str, ...]] = []
        self.joints: list[str] = []
        self.commands: list[tuple[str, ...]] = []

    def all(self, root: "Node") -> None:
        waiting = [root]
        while waiting:
            node = waiting.pop()
            kind = node.type
            if not node.is_named:
                self._token(node, kind)
            elif kind not in _LEAVES:
                if kind not in _PLAIN_NODES:
                    self.odd = self.odd or kind.replace("_", " ")
                children = node.children
                if self._enter(node, kind, children):
                    waiting.extend(reversed(children))

    def _enter(self, node: "Node", kind: str, children: "list[Node]") -> bool:
        """Whether what lies below a node matters, too."""
        if kind == "command":
            self._command(children)
        elif kind in ("declaration_command", "unset_command"):
            self.commands.append(tuple(_text(child) for child in children))
        elif kind == "test_command":
            self.plain.append(())
            text = _text(node)
            if text.startswith("[ ") and "$" not in text and "`" not in text:
                return False
            self.odd = self.odd or "a test"
        elif kind == "file_redirect":
            if NULL_REDIRECT.fullmatch(_text(node)):
                return False
            self.odd = self.odd or "a redirection"
            self.commands.append(("<", *(_text(child) for child in children if child.is_named and child.type in _WORDS)))
        return True

    def _token(self, node: "Node", kind: str) -> None:
        if kind in ("&&", "||", "|"):
            self.joints.append(kind)
        elif kind not in _PLAIN_TOKENS and node.parent is not None and node.parent.type not in ("concatenation", "string"):
            self.odd = self.odd or kind

    def _command(self, children: "list[Node]") -> None:
        words = tuple(
            _text(child) for child in children if child.is_named and not child.type.endswith(("_redirect", "assignment"))
        )
        if words:
            self.commands.append(words)
        self.plain.append(words)


def _text(node: "Node") -> str:
    return (node.text or b"").decode("utf-8", "replace")
