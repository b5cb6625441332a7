"""write_file: a whole file, new or in the place of one the conversation has read."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from flowchat.tools.arguments import fill, schema, string
from flowchat.tools.changing import Change, carry_out, current, preview
from flowchat.tools.files import CHANGE_LIMIT_BYTES
from flowchat.tools.paths import resolve, resolve_judged
from flowchat.tools.tool import BadArguments, Desk, Outcome, Reach
from flowchat.transcript.events import Preview


class _Args(Struct):
    path: str
    content: str


class WriteFile:
    schema = schema(
        "write_file",
        "Create a file, folders included, or replace one you have read. For small changes use edit_file.",
        {"path": string(), "content": string("The whole file")},
        {},
    )
    read_only = False

    def reach(self, args: Mapping[str, object], workspace: Path) -> Reach:
        return Reach("write", (resolve(fill(_Args, args).path, workspace),))

    def preview(self, args: Mapping[str, object], desk: Desk) -> Preview:
        return preview(self._change(args, desk), desk.workspace)

    async def run(self, args: Mapping[str, object], desk: Desk) -> Outcome:
        return await carry_out(await asyncio.to_thread(self._change, args, desk), desk)

    def _change(self, args: Mapping[str, object], desk: Desk) -> Change:
        given = fill(_Args, args)
        path = resolve_judged(given.path, desk.workspace, desk.reach)
        try:
            after = given.content.encode()
        except UnicodeEncodeError:
            raise BadArguments("the content holds half a character (a lone surrogate), which no UTF-8 file can") from None
        if len(after) > CHANGE_LIMIT_BYTES:
            raise BadArguments(f"the content has {len(after):,} bytes; a file may have {CHANGE_LIMIT_BYTES >> 20} MiB")
        return Change(path, current(path, desk.seen), after)
