"""What the searching tools share: the folder a call means, and lists that say how much they leave out."""

import os
import stat
from pathlib import Path

from flowchat.tools.files import explain, refuse_special
from flowchat.tools.paths import resolve_judged
from flowchat.tools.tool import Desk, NotDone
from flowchat.transcript.events import Preview

LIST_LIMIT = 200
"""Entries a search lists."""


def searched(text: str, desk: Desk, may_be_file: bool = False) -> Path:
    """The folder (or file) a call names, as it was judged; raises NotDone if it is none."""
    path = resolve_judged(text, desk.workspace, desk.reach)
    refuse_special(path)
    try:
        mode = os.lstat(path).st_mode
    except OSError as error:
        raise NotDone(explain(path, error)) from None
    if stat.S_ISDIR(mode) or (may_be_file and stat.S_ISREG(mode)):
        return path
    raise NotDone(f"{path} is not a folder" if stat.S_ISREG(mode) else f"{path} is neither a file nor a folder")


def search_preview(verb: str, path: Path) -> Preview:
    return Preview(f"{verb} {path}?", (("folder", str(path)),))


def count(number: int, one: str, many: str) -> str:
    """`no files`, `1 file`, `14 files`."""
    return f"{number:,} {one}" if number == 1 else f"{number or 'no':,} {many}" if number else f"no {many}"
