"""The user's own editor on a text: it has the terminal until it ends, and works on a private file that is gone afterwards."""

import shlex
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from flowchat.tools.process import attend, find_program
from flowchat.tools.tool import NotDone

TEXT_LIMIT_BYTES = 16 << 20
"""A longer text does not come back."""
_FILE = "message.md"


def editor_of(environ: Mapping[str, str]) -> list[str]:
    """The words of $VISUAL, else of $EDITOR, the program as an absolute path. Raises NotDone."""
    name = next((name for name in ("VISUAL", "EDITOR") if environ.get(name, "").strip()), None)
    if name is None:
        raise NotDone("No editor is set; set EDITOR before you start flowchat, for example: export EDITOR=nano")
    try:
        words = shlex.split(environ[name])
    except ValueError as error:
        raise NotDone(f"{name} cannot be read as a command ({error}): {environ[name]}") from None
    program = find_program(words[0]) if words else None
    if program is None:
        raise NotDone(f"{name} names {environ[name]!r}, which is not a program on your PATH; the text is as it was")
    return [program, *words[1:]]


async def edit(editor: list[str], text: str, folder: Path | None) -> str:
    """The text as the editor left it; what it adds at the end, one newline, is taken off again.

    The file is 0600 in a new 0700 folder below `folder` (None: the system's for temporary files). Raises NotDone, also where
    the editor failed or was killed: then the text is as it was.
    """
    try:
        place = Path(tempfile.mkdtemp(prefix="editing-", dir=folder))
    except OSError as error:
        raise NotDone(f"no file for the editor can be made in {folder or tempfile.gettempdir()}: {error.strerror}") from None
    try:
        return await _edited(editor, text, place / _FILE)
    finally:
        shutil.rmtree(place, ignore_errors=True)


async def _edited(editor: list[str], text: str, file: Path) -> str:
    name = Path(editor[0]).name
    try:
        _write(file, text)
        status = await attend([*editor, str(file)], file.parent)
        if status:
            how = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
            raise NotDone(f"{name} {how}; the text is as it was")
        written = _read(file, name)
    except UnicodeDecodeError:
        raise NotDone(f"what {name} wrote is not UTF-8; the text is as it was") from None
    except OSError as error:
        raise NotDone(f"the editor's file cannot be used ({error.strerror or error}); the text is as it was") from None
    return written if text.endswith("\n") else written.removesuffix("\n")


def _write(file: Path, text: str) -> None:
    file.touch(0o600)
    file.write_bytes(text.encode("utf-8", "replace"))


def _read(file: Path, name: str) -> str:
    if file.stat().st_size > TEXT_LIMIT_BYTES:
        raise NotDone(f"what {name} wrote is longer than {TEXT_LIMIT_BYTES >> 20} MiB; the text is as it was")
    written = file.read_bytes().decode("utf-8")
    return written.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
