"""Any entry there can be, for tests that draw them, and a log whose writes a test settles by hand."""

import asyncio
from collections import deque
from typing import Any, get_args

import msgspec
from hypothesis import strategies as st
from msgspec import inspect

from flowchat.errors import StorageFailed
from flowchat.transcript.entries import Damaged, FactEntry, NodeEntry, Unknown

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NUMBERS = st.integers(0, 2**53)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)


def values_of(kind: inspect.Type) -> st.SearchStrategy[Any]:
    """Values of a type as msgspec describes it."""
    match kind:
        case inspect.StrType():
            return TEXTS
        case inspect.BoolType():
            return st.booleans()
        case inspect.IntType():
            return NUMBERS
        case inspect.FloatType():
            return st.floats(0, 1e6)
        case inspect.NoneType():
            return st.none()
        case inspect.LiteralType():
            return st.sampled_from(kind.values)
        case inspect.AnyType() | inspect.CustomType():
            return JSON
        case inspect.UnionType():
            return st.one_of(*map(values_of, kind.types))
        case inspect.VarTupleType():
            return st.lists(values_of(kind.item_type), max_size=3).map(tuple)
        case inspect.TupleType():
            return st.tuples(*map(values_of, kind.item_types))
        case inspect.DictType():
            return st.dictionaries(TEXTS, JSON, max_size=3)
        case inspect.StructType():
            return st.builds(kind.cls, **{field.name: values_of(field.type) for field in kind.fields})
        case _:
            raise AssertionError(kind)


WRITTEN = [kind for kind in (*get_args(NodeEntry), *get_args(FactEntry)) if kind not in (Unknown, Damaged)]
ENTRIES = st.one_of(*(values_of(inspect.type_info(kind)) for kind in WRITTEN))


class HandLog:
    """A log on paper: writes wait until the test settles them. `lines` is what is on it."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.waiting: deque[tuple[bytes, bool, asyncio.Future[None]]] = deque()
        self.full = False
        self._failure: StorageFailed | None = None
        self.drafts: list[bytes | None] = []
        self.closed = False

    def write(self, lines: bytes, sync: bool) -> "asyncio.Future[None]":
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting.append((lines, sync, done))
        return done

    def resume(self) -> None:
        self._failure = None

    def draft(self, lines: bytes) -> None:
        self.drafts.append(lines)

    def clear_draft(self) -> None:
        self.drafts.append(None)

    async def close(self) -> None:
        self.closed = True

    async def settle(self, count: int = 1_000_000) -> None:
        """Write what waits, or fail it where the log is full; whoever waited goes on."""
        while self.waiting and count:
            count -= 1
            lines, _, done = self.waiting.popleft()
            if self.full and self._failure is None:
                self._failure = StorageFailed("no room")
            if self._failure is None:
                self.lines += lines.splitlines(keepends=True)
                done.set_result(None)
            else:
                done.set_exception(self._failure)
            for _ in range(5):
                await asyncio.sleep(0)


def written(lines: list[bytes]) -> list[Any]:
    """What lines say, without times and crc."""
    said = [msgspec.json.decode(line) for line in lines]
    return [{key: value for key, value in line.items() if key not in ("v", "t", "crc")} for line in said]
