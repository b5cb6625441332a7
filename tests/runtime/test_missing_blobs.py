"""A blob that is gone: the model is told in its place, the user once."""

import os
from pathlib import Path

from flowchat.config import Folders, Settings
from flowchat.runtime.models import AskedBlobs
from flowchat.runtime.workspace import Workspace
from flowchat.transcript.entries import Blob, BlobRef, Noticed, RunEnded, Text
from tests.desk import project_folder
from tests.model.asking import KEY, OPENAI, OVER_THE_WIRE
from tests.model.conftest import wire  # noqa: F401  # the fixture that OVER_THE_WIRE names
from tests.model.playing import playing, recorded

pytestmark = OVER_THE_WIRE
GONE = "0" * 64
SENTENCE = f"blob {GONE} is missing from this session; the model sees a placeholder"


async def test_a_missing_blob_is_told_once_and_fails_no_request(tmp_path: Path) -> None:
    folders = Folders(*(tmp_path / "home" / name for name in ("data", "config", "cache", "state")))
    async with playing(*[recorded("openai-text")] * 9) as server:
        os.environ |= {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": f"{server.base}/v1"}
        workspace = Workspace(project_folder(tmp_path), Settings(), folders)
        session = await workspace.new(model=OPENAI)
        await session.send((Text("what is this?"), Blob(BlobRef(GONE, 9, "text/plain"), "notes.txt")))
        await session.idle()
        types = [record.type for record in session.transcript.branch()]
        for text in ("and now?", "still there?"):
            await session.send(text)
            await session.idle()
        await workspace.close()
    assert types[-3:] == ["assistant_said", "noticed", "run_ended"]
    branch = [record.entry for record in session.transcript.branch()]
    assert [entry.outcome for entry in branch if isinstance(entry, RunEnded)] == ["completed"] * 3
    assert [entry for entry in branch if isinstance(entry, Noticed)] == [Noticed("warning", "blobs", SENTENCE)]
    requests = [body for body in server.raw if b"what is this?" in body and b"read_file" in body]
    assert [f"[blob {GONE} missing]".encode() in body for body in requests] == [True] * 3


async def test_each_missing_blob_has_a_notice_of_its_own_and_those_that_are_there_none() -> None:
    async def read(sha256: str) -> bytes | None:
        return b"there" if sha256 == "c" else None

    blobs = AskedBlobs(read)
    assert [await blobs.get(name) for name in "abca"] == [None, None, b"there", None]
    first, second = blobs.missed()
    assert ("blob a is" in first.text, "blob b is" in second.text) == (True, True)
