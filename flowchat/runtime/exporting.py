"""A session written out for others: as a markdown document, and into a file that is never replaced unasked."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from stat import S_IMODE, S_ISREG

from flowchat.errors import AlreadyExists, CommandRefused, StorageFailed
from flowchat.store.aside import aside
from flowchat.transcript.document import markdown
from flowchat.transcript.entries import Blob, BlobRef, Edited, Record, ToolAnswered, UserSaid
from flowchat.transcript.facts import SessionFacts
from flowchat.transcript.transcript import Blobs

OUTPUT_LIMIT_BYTES = 1 << 20
"""Of one output or message that is kept beside the log; what is longer is cut, and says so."""
PART = ".part"


async def document(
    records: Sequence[Record],
    branch: Sequence[Record],
    facts: SessionFacts,
    blobs: Blobs,
    everything: bool = False,
) -> Iterator[str]:
    """The markdown of a session in pieces; what is read for it is read aside."""
    named = await aside(lambda: list(_named(records if everything else branch)))
    texts = {ref.sha256: _text(ref, await blobs.get(ref.sha256)) for ref in dict.fromkeys(named)}
    return markdown(records, branch, facts, lambda ref: texts[ref.sha256], everything)


def write_document(path: Path, pieces: Iterable[str], force: bool = False) -> Path:
    """Write a file that is whole or not there; one that is replaced leaves its permissions to it.

    Raises AlreadyExists where one is and `force` is not said, StorageFailed.
    """
    path = _target(path, force)
    unfinished = path.with_name(f".flowchat-{os.urandom(8).hex()}{PART}")  # the folder may be one that others write, too
    try:
        fd = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        with open(fd, "w", encoding="utf-8", errors="replace", newline="\n") as file:
            with suppress(FileNotFoundError):
                os.fchmod(fd, S_IMODE(path.stat().st_mode))
            file.writelines(pieces)
        if force:
            os.replace(unfinished, path)
        else:
            _put_new(unfinished, path)
    except FileExistsError as error:
        raise AlreadyExists(_taken(path)) from error
    except OSError as error:
        raise StorageFailed(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
    return path


def _target(path: Path, force: bool) -> Path:
    try:
        path = path.expanduser().resolve()
        found = path.stat()
    except FileNotFoundError:
        return path
    except (OSError, RuntimeError) as error:  # RuntimeError: no such user, or links in a circle
        raise StorageFailed(f"{path} cannot be written: {getattr(error, 'strerror', None) or error}") from error
    if not S_ISREG(found.st_mode):
        raise CommandRefused(f"{path} is not a file but {'a folder' if path.is_dir() else 'a device or a pipe'}: name a file")
    if not force:
        raise AlreadyExists(_taken(path))
    return path


def _put_new(unfinished: Path, path: Path) -> None:
    """Unlike a rename, a link never takes the place of a file that came meanwhile; not every disk has them."""
    try:
        os.link(unfinished, path)
    except FileExistsError:
        raise
    except OSError:
        if os.path.lexists(path):
            raise FileExistsError(str(path)) from None
        os.rename(unfinished, path)


def _taken(path: Path) -> str:
    return f"{path} is there already; nothing was written"


def _named(records: Iterable[Record]) -> Iterator[BlobRef]:
    """The blobs whose text belongs in the document."""
    for record in records:
        entry = record.entry if record.type in ("tool_answered", "user_said", "edited") else None
        if isinstance(entry, ToolAnswered) and entry.blob is not None:
            yield entry.blob
        elif isinstance(entry, UserSaid | Edited):
            yield from (part.blob for part in entry.parts if isinstance(part, Blob))


def _text(ref: BlobRef, content: bytes | None) -> str:
    if not ref.media.startswith("text/"):
        return f"[{ref.media}, {ref.bytes:,} bytes, blob {ref.sha256}]"
    if content is None:
        return f"[{ref.bytes:,} bytes that have gone, blob {ref.sha256}]"
    text = content[:OUTPUT_LIMIT_BYTES].decode("utf-8", "replace")
    if len(content) <= OUTPUT_LIMIT_BYTES:
        return text
    return f"{text}\n[cut here; {len(content):,} bytes in all, blob {ref.sha256}]"
