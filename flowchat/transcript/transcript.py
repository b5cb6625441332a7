"""The tree of one session: which records there are, where the head stands, and how a new entry gets its place.

`append` assigns seq, parent and head at once and returns when the line is on disk. Records are published in seq order and
only once they are durable, or once the log has said that it cannot be written (`unsaved`): then they are kept here and
written, before everything newer, as soon as it can be.
"""

import asyncio
import time
import zlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Protocol

from flowchat.errors import StorageFailed
from flowchat.transcript.entries import (
    VERSION,
    AnyEntry,
    BlobRef,
    Damaged,
    Entry,
    HeadMoved,
    Node,
    Record,
    Seq,
    encode_fields,
    moved_up,
    sound_entry,
    type_name,
)
from flowchat.transcript.facts import SessionFacts

RECORD_LIMIT_BYTES = 16 * 1024 * 1024
DAMAGED = "damaged"
"""The type of a record that stands for a line which could not be read."""


class Log(Protocol):
    """Where lines go: one FIFO, one writer."""

    def write(self, lines: bytes, sync: bool) -> "asyncio.Future[None]":
        """Put whole lines at the end; done when they are written (and fsynced if `sync`).

        Raises (in the future) StorageFailed; from then on everything after it fails at once until `resume`. The file is then as
        if nothing since the last good fsync had been written; those lines are written again before the next ones.
        """
        ...

    def resume(self) -> None:
        """Allow the next write to be tried after a failure."""
        ...

    def draft(self, lines: bytes) -> None:
        """Add to the draft of the step in flight; never waits, never raises."""
        ...

    def clear_draft(self) -> None:
        """Forget the draft, after everything already asked of the writer."""
        ...

    async def close(self) -> None:
        """Write what waits, release the lock. Idempotent."""
        ...


class Blobs(Protocol):
    """Bytes beside a log, by the sha256 of their content."""

    async def put(self, content: bytes, media: str, size: tuple[int, int] | None = None) -> BlobRef:
        """Store durably before returning; raises StorageFailed."""
        ...

    async def get(self, sha256: str) -> bytes | None:
        """The bytes, or None where they are missing or do not match their name."""
        ...


Publish = Callable[[Record], None]


class Transcript:
    """Records by seq, the head, the branch it ends, and the session's facts.

    `records` are those of an opened log, seq 1..n without a gap.
    """

    def __init__(
        self,
        log: Log,
        blobs: Blobs,
        records: Iterable[Record] = (),
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self.blobs = blobs
        self.facts = SessionFacts()
        self._log = log
        self._publish: Publish = lambda record: None
        self._saving: Callable[[], None] = lambda: None
        self._now_ms = now_ms
        self._records: list[Record] = []
        self._head: Seq = 0
        self._branch: list[Record] = []
        self._shown: tuple[Record, ...] | None = None
        """The head's branch as it was last asked for; None: it has changed."""
        self._in_flight: list[_Batch] = []
        self._unsaved: list[Record] = []
        self._failure: StorageFailed | None = None
        for record in records:
            self._take(self._sound(record), follow=False)
        self._branch = self._walk(self._head)

    def publish_to(self, publish: Publish, saving: Callable[[], None] = lambda: None) -> None:
        """Who hears each new record, once, when it is durable; `saving` is called when the log fails and when it works again."""
        self._publish, self._saving = publish, saving

    # --- reading -----------------------------------------------------------------------------------------------------
    @property
    def head(self) -> Seq:
        """The node the session stands at; 0 before the first."""
        return self._head

    @property
    def last_seq(self) -> Seq:
        return len(self._records)

    @property
    def unsaved(self) -> StorageFailed | None:
        """Why the log cannot be written; None while it can."""
        return self._failure

    def record(self, seq: Seq) -> Record | None:
        return self._records[seq - 1] if 0 < seq <= len(self._records) else None

    def records(self) -> Sequence[Record]:
        """Every record of the file, in file order."""
        return tuple(self._records)

    def branch(self, to: Seq | None = None) -> tuple[Record, ...]:
        """The nodes from the root to `to` (default: the head), in order."""
        if to is not None and to != self._head:
            return tuple(self._walk(to))
        if self._shown is None:
            self._shown = tuple(self._branch)
        return self._shown

    def on_branch(self, seq: Seq) -> bool:
        """Whether a node lies on the head's branch."""
        lo, hi = 0, len(self._branch)
        while lo < hi:
            mid = (lo + hi) // 2
            if self._branch[mid].seq < seq:
                lo = mid + 1
            else:
                hi = mid
        return lo < len(self._branch) and self._branch[lo].seq == seq

    # --- writing -----------------------------------------------------------------------------------------------------
    async def append(self, *entries: Entry) -> Record:
        """Write entries in one piece; gives the last one's record when it is durable, or kept because the log is unsaved.

        A cancelled await takes nothing back. Raises StorageFailed only for an entry over RECORD_LIMIT_BYTES, written nowhere.
        """
        batch = self._submit(entries, revocable=False)
        await asyncio.shield(batch.done)
        return batch.records[-1]

    def place(self, *entries: Entry) -> None:
        """As `append`, without waiting: everything has its place when this returns."""
        self._submit(entries, revocable=False)

    async def append_or_withdraw(self, *entries: Entry) -> Record:
        """As `append`, but where the log cannot be written the entries are taken back, their seqs freed, StorageFailed raised."""
        await self.save_again()
        records, done = self.submit(*entries)
        await asyncio.shield(done)
        return records[-1]

    def submit(self, *entries: Entry) -> "tuple[Sequence[Record], asyncio.Future[None]]":
        """As `append_or_withdraw`, but everything has its place before this returns; the future is done when it is durable.

        Raises StorageFailed at once while the log is unsaved.
        """
        if self._failure is not None:
            raise self._failure
        batch = self._submit(entries, revocable=True)
        return batch.records, batch.done

    async def save_again(self) -> None:
        """Try to write what could not be written; `unsaved` tells afterwards whether it worked."""
        if self._failure is None or self._in_flight:
            return
        self._log.resume()
        waiting, self._unsaved = self._unsaved, []
        batch = _Batch(waiting, revocable=False, heard=True)
        self._write(batch, map(encode_line, waiting))
        await asyncio.shield(batch.done)

    async def flushed(self) -> None:
        """Until nothing is on its way to the log."""
        while self._in_flight:
            with suppress(StorageFailed):
                await asyncio.shield(self._in_flight[-1].done)

    def unsaved_records(self) -> list[Record]:
        """What could not be written yet: the end of the records."""
        return list(self._unsaved)

    def draft(self, lines: bytes) -> None:
        """Add to the draft of the step in flight."""
        self._log.draft(lines)

    def clear_draft(self) -> None:
        self._log.clear_draft()

    async def close(self) -> None:
        await self.save_again()
        await self._log.close()

    # --- how a record gets its place ---------------------------------------------------------------------------------
    def _sound(self, record: Record) -> Record:
        """A record as it was read; one that is damaged, or hangs on no node, is an empty node at the head as replayed here."""
        parent = record.parent
        if record.type != DAMAGED and (parent is None or parent == self._head or self._stands(parent)):
            return record
        entry = record.entry if record.type == DAMAGED else Damaged(f"line {record.seq} of the log follows no message")
        return Record(record.seq, record.at_ms, self._head, DAMAGED, entry, size=record.size)

    def _stands(self, seq: Seq) -> bool:
        """Whether the head can stand there: at a node, or before the first."""
        record = self.record(seq)
        return seq == 0 or (record is not None and record.is_node)

    def _submit(self, entries: Sequence[Entry], revocable: bool) -> "_Batch":
        records: list[Record] = []
        lines: list[bytes] = []
        for entry in entries:
            record, line = self._place(entry)
            if len(line) > RECORD_LIMIT_BYTES:
                self._forget(len(records))
                raise StorageFailed(
                    f"a {record.type} of {len(line):,} bytes is over the limit of {RECORD_LIMIT_BYTES:,} for one entry"
                )
            self._take(record, follow=True)
            records.append(record)
            lines.append(line)
        batch = _Batch(records, revocable)
        if self._failure is not None and not self._in_flight:
            self._keep(batch)
        else:
            self._write(batch, lines)
        return batch

    def _place(self, entry: Entry) -> tuple[Record, bytes]:
        """The record an entry becomes, and its line. Text that UTF-8 cannot hold is made sound first."""
        parent = self._head if isinstance(entry, Node) else None
        known: AnyEntry = entry  # pyright: ignore[reportAssignmentType]  # every Entry we make is of the closed union
        record = Record(len(self._records) + 1, self._now_ms(), parent, type_name(entry), known)
        try:
            return record, encode_line(record)
        except UnicodeEncodeError:
            record = Record(record.seq, record.at_ms, parent, record.type, sound_entry(known))
            return record, encode_line(record)

    def _take(self, record: Record, follow: bool) -> None:
        self._records.append(record)
        if record.is_node:
            self._head, self._shown = record.seq, None
            if follow:
                self._branch.append(record)
        elif record.type == "head_moved" and isinstance(record.entry, HeadMoved) and self._stands(record.entry.to):
            self._head, self._shown = record.entry.to, None
            if follow:
                self._branch = self._walk(self._head)
        self.facts.take(record)

    def _walk(self, seq: Seq) -> list[Record]:
        path: list[Record] = []
        while record := self.record(seq):
            path.append(record)
            seq = record.parent or 0
        path.reverse()
        return path

    # --- what becomes of a write -------------------------------------------------------------------------------------
    def _write(self, batch: "_Batch", lines: Iterable[bytes]) -> None:
        sync = any(record.entry.synced for record in batch.records)
        self._in_flight.append(batch)
        self._log.write(b"".join(lines), sync).add_done_callback(lambda future: self._written(batch, future))

    def _written(self, batch: "_Batch", future: "asyncio.Future[None]") -> None:
        self._in_flight.remove(batch)
        error, before = future.exception(), self._failure
        if error is None:
            if batch.heard:
                self._failure = None
            self._hear(batch)
        elif isinstance(error, StorageFailed):
            self._failure = error
            self._withdraw(batch, error) if batch.revocable else self._keep(batch)
        else:
            batch.done.set_exception(error)
        if (before is None) != (self._failure is None):
            self._saving()

    def _hear(self, batch: "_Batch") -> None:
        if not batch.heard:
            for record in batch.records:
                self._publish(record)
        if not batch.done.done():
            batch.done.set_result(None)

    def _keep(self, batch: "_Batch") -> None:
        self._unsaved.extend(batch.records)
        self._hear(batch)

    def _withdraw(self, batch: "_Batch", error: StorageFailed) -> None:
        """Take a batch back; facts placed after it and not yet heard move up, and with them what they say of each other."""
        gone = {record.seq for record in batch.records}
        behind = [record for record in self._records if record.seq > max(gone)]
        del self._records[min(gone) - 1 :]
        self._replay()
        moved: dict[Seq, Seq] = {}
        for record in behind:
            record.seq, old = len(self._records) + 1, record.seq
            moved[old] = record.seq
            if record.type == "items_set":
                record.entry = moved_up(record.entry, moved)
            if record.is_node:
                record.parent = self._head
            self._take(record, follow=True)
        batch.done.set_exception(error)
        batch.done.exception()

    def _forget(self, count: int) -> None:
        if count:
            del self._records[-count:]
            self._replay()

    def _replay(self) -> None:
        records, self._records = self._records, []
        self._head, self._shown, self.facts = 0, None, SessionFacts()
        for record in records:
            self._take(record, follow=False)
        self._branch = self._walk(self._head)


class _Batch:
    """Records written in one piece; `heard` when watchers already know them."""

    def __init__(self, records: Sequence[Record], revocable: bool, heard: bool = False) -> None:
        self.records, self.revocable, self.heard = records, revocable, heard
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()


def encode_line(record: Record) -> bytes:
    """The line of a record: head, fields, and a crc32 of every byte before `,"crc":`."""
    fields = encode_fields(record.entry)
    tag = b'{"type":"%b"' % record.type.encode()
    assert fields.startswith(tag)
    parent = b"" if record.parent is None else b',"parent":%d' % record.parent
    body = b'{"v":%d,"seq":%d,"t":%d,%b%b%b' % (
        VERSION, record.seq, record.at_ms, tag[1:], parent, fields[len(tag) : -1]
    )  # fmt: skip
    return b'%b,"crc":%d}\n' % (body, zlib.crc32(body))
