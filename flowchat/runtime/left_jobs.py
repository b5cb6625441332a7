"""Programs that nobody saw the end of, flowchat having been killed: what still runs of jobs is ended, and all are told of."""

import asyncio

from flowchat.runtime.background import SOURCE, ending, sentence
from flowchat.runtime.user_commands import told_of
from flowchat.store.aside import aside
from flowchat.store.jobs import JobFiles, JobLeft
from flowchat.tools.descent import end_marked
from flowchat.tools.recording import looks_binary
from flowchat.transcript.entries import ContextAdded, Noticed, Text
from flowchat.transcript.transcript import Transcript

_SAMPLE_BYTES = 4096
_WHY = "flowchat was ended while it ran"


async def put_away(files: JobFiles, transcript: Transcript) -> None:
    """Append what is to be known of each, and forget it. Only while nothing runs, and for the log's writer."""
    for left in await aside(files.left):
        if left.own is not None:
            content = left.content or await _content(files, left, f"[{_WHY}]", transcript)
            await transcript.append(told_of(left.command, content, left.own == "told"))
            await _forget(files, left, transcript)
            continue
        ended = await asyncio.to_thread(end_marked, left.mark)
        head = sentence(left.number, left.command, "", _WHY)
        if ended:
            head += f" It was still running ({', '.join(dict.fromkeys(ended))}); now it is ended."
        content = await _content(files, left, head, transcript)
        await transcript.append(
            Noticed("warning", SOURCE, head), ContextAdded(SOURCE, f"job {left.number}", (Text(content),))
        )  # fmt: skip
        await _forget(files, left, transcript)


async def _forget(files: JobFiles, left: JobLeft, transcript: Transcript) -> None:
    if transcript.unsaved is None:
        await aside(lambda: files.forget(left.number))


async def _content(files: JobFiles, left: JobLeft, head: str, transcript: Transcript) -> str:
    output = await aside(lambda: files.output(left.number))
    if looks_binary(output[:_SAMPLE_BYTES]):
        return f"{head}\n[binary output: not shown and not kept]"
    printed = output.decode("utf-8", "replace")
    return await ending(head, printed, "it was started", output, len(output), transcript.blobs)
