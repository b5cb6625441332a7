"""`flowchat trust`: which folders are trusted, and what a folder would be allowed."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from flowchat.errors import CommandRefused, NotFound, UsageError
from flowchat.runtime.trust import Look, Trust
from flowchat.serve.stream import json_line
from flowchat.serve.trashing import agreed
from flowchat.transcript.clean import clean
from flowchat.transcript.times import minute

Action: TypeAlias = Literal["show", "list", "add", "remove"]


def carry_out(trust: Trust, action: Action, folder: Path, as_json: bool, sure: bool, stdin: int, stderr: int) -> Iterator[str]:
    """What the command says; `add` and `remove` have done it by the end. Raises as they do."""
    match action:
        case "show":
            return show_folder(trust, folder, as_json)
        case "list":
            return list_folders(trust, as_json)
        case "add":
            return add_folder(trust, folder, as_json, sure, stdin, stderr)
        case "remove":
            return remove_folder(trust, folder, as_json)


def show_folder(trust: Trust, folder: Path, as_json: bool) -> Iterator[str]:
    """Whether it is trusted, and what waits for that."""
    look = trust.look(folder)
    if as_json:
        yield _line(look)
        return
    yield _standing(look)
    yield from _waiting(look)
    if look.waiting:
        verb = "approves them" if look.trusted_by else "trusts the folder"
        yield f"`flowchat trust add` {verb}.\n"


def list_folders(trust: Trust, as_json: bool) -> Iterator[str]:
    """A line for each trusted folder. Raises StorageFailed."""
    for row in sorted(trust.folders(), key=lambda row: row.path):
        if as_json:
            yield json_line(msgspec.to_builtins(row))
        else:
            yield f"{clean(row.path)}   since {minute(row.since_ms)}\n"


def add_folder(trust: Trust, folder: Path, as_json: bool, sure: bool, stdin: int, stderr: int) -> Iterator[str]:
    """Trust it with all that waits in it, which is shown and asked about first unless `sure`.

    Raises UsageError where there is something to ask and no terminal to ask on, CommandRefused for a no, StorageFailed.
    """
    look = trust.look(folder)
    if look.waiting and not sure:
        if not (os.isatty(stdin) and os.isatty(stderr)):
            raise UsageError("this folder has settings or rules that would count; see `flowchat trust` and add --yes")
        question = "".join(_waiting(look)) + f"Trust {clean(str(folder))} and let all of this count? [y/N] "
        if not agreed(question, stdin, stderr):
            raise CommandRefused("nothing was changed")
    trust.add(look)
    if as_json:
        yield _line(trust.look(folder))
        return
    yield _standing(trust.look(folder))
    if sure:
        yield from _waiting(look, "These count from now on:")


def remove_folder(trust: Trust, folder: Path, as_json: bool) -> Iterator[str]:
    """Trust it no longer. Raises NotFound, StorageFailed."""
    folder = Path(os.path.realpath(folder))
    if not trust.remove(folder):
        by = trust.look(folder).trusted_by
        because = f"; it is in {by}, which is: remove that" if by else ""
        raise NotFound(f"{folder} is not a folder you trusted{because}")
    yield json_line({"removed": str(folder)}) if as_json else f"{clean(str(folder))} is no longer trusted\n"


def _line(look: Look) -> str:
    waiting = [{"file": waits.file, "text": waits.text, "redirects": bool(waits.digest)} for waits in look.waiting]
    told = {"folder": str(look.folder), "trusted": bool(look.trusted_by), "trusted_by": look.trusted_by}
    return json_line({**told, "waiting": waiting, "problem": look.problem})


def _standing(look: Look) -> str:
    folder = clean(str(look.folder))
    if look.trusted_by:
        inside = f", as part of {clean(look.trusted_by)}" if look.trusted_by != os.path.realpath(look.folder) else ""
        told = f"{folder} is trusted{inside}"
    else:
        told = f"{folder} is not trusted"
    told += f": {clean(look.problem)}\n" if look.problem else "\n"
    return told if look.waiting or look.trusted_by else f"{told}Nothing in it waits for that.\n"


def _waiting(look: Look, head: str = "") -> Iterator[str]:
    if not look.waiting:
        return
    yield f"{head or ('These wait to be approved:' if look.trusted_by else 'These do nothing until it is:')}\n"
    for waits in look.waiting:
        sends = "   (decides where keys and messages go)" if waits.digest else ""
        yield f"  {clean(waits.file)}: {clean(waits.text)}{sends}\n"
