"""What a path a model wrote really means: one absolute path without links, or a sentence why it means nothing."""

import os
import unicodedata
from pathlib import Path

from flowchat.tools.tool import BadArguments, Reach, Refused

NAME_LIMIT_BYTES = 255
PATH_LIMIT_BYTES = 4096
_UNSEEN = frozenset({"Cc", "Cf", "Zl", "Zp"})


def resolve(text: str, workspace: Path) -> Path:
    """The path as the system would find it now: `~` expanded, relative to the workspace, links followed where they exist.

    Raises BadArguments for what no file can be called.
    """
    if not text or "\0" in text:
        raise BadArguments(f"{text!r} is not a path: it is empty or contains a NUL byte")
    try:
        encoded = text.encode()
    except UnicodeEncodeError:
        raise BadArguments(f"{text!a} is not a path: it is not Unicode text") from None
    if len(encoded) > PATH_LIMIT_BYTES or any(len(name) > NAME_LIMIT_BYTES for name in encoded.split(b"/")):
        raise BadArguments(f"{text[:60]}… is too long for a path: {NAME_LIMIT_BYTES} bytes a name, {PATH_LIMIT_BYTES} in all")
    resolved = os.path.realpath(workspace / os.path.expanduser(text))
    if not _is_text(resolved):
        raise BadArguments(f"{text!r} leads to a name that is not UTF-8: rename it, or use shell")
    return Path(resolved)


def resolve_judged(text: str, workspace: Path, reach: Reach | None) -> Path:
    """The same at the time of doing: raises Refused if the path leads elsewhere than when the call was judged."""
    path = resolve(text, workspace)
    if reach is not None and path not in reach.paths:
        raise Refused(f"{text} now leads to {path}, which is not what was allowed: call again to have that judged")
    return path


def refuse_unseen_characters(path: Path) -> None:
    """Raises Refused for a name to be written that contains characters that cannot be seen, or that drive a terminal."""
    if any(unicodedata.category(character) in _UNSEEN for character in str(path)):
        raise Refused(f"{str(path)!a} contains control or invisible characters: choose a plain name")


def shown(path: Path, workspace: Path) -> str:
    """A path as people and models read it: from the workspace if it is in there, else whole."""
    return str(path.relative_to(workspace)) if path.is_relative_to(workspace) else str(path)


def _is_text(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True
