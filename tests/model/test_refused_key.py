"""A key that a server refuses, in a session: no retry, and the key reaches neither the log nor what a front end hears."""

from pathlib import Path

from flowchat.config import ModelSettings, Settings, open_folders
from flowchat.runtime.workspace import Workspace
from flowchat.transcript.entries import RunEnded
from flowchat.transcript.events import Heard
from tests.model.asking import KEY, OPENAI, OVER_THE_WIRE
from tests.model.playing import failing, playing

pytestmark = OVER_THE_WIRE


async def test_a_refused_key_fails_the_run_once_and_is_redacted_everywhere(tmp_path: Path) -> None:
    said = {
        "error": {"message": f"Incorrect API key provided: {KEY}.", "type": "invalid_request_error", "code": "invalid_api_key"}
    }
    heard: list[Heard] = []
    async with playing(failing(401, said), failing(401, said)) as server:
        environ = {"FLOWCHAT_HOME": str(tmp_path / "home"), "OPENAI_API_KEY": KEY, "OPENAI_API_BASE": f"{server.base}/v1"}
        (tmp_path / "work").mkdir()
        settings = Settings(model=OPENAI, models={OPENAI: ModelSettings(window=100_000)})
        workspace = Workspace(tmp_path / "work", settings, open_folders(environ), environ, attended=False)
        session = await workspace.new()
        session.watch(heard.append)
        await session.send("hello")
        await session.idle()
        await workspace.close()
        assert len(server.asked) == 1
    ended = session.transcript.branch()[-1].entry
    assert isinstance(ended, RunEnded)
    assert (ended.outcome, ended.code) == ("failed", "auth")
    assert ended.message is not None
    assert "refused the key in OPENAI_API_KEY" in ended.message
    assert "[redacted]" in ended.message
    assert KEY not in repr(heard)
    written = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert any(path.name == "log.jsonl" for path in written)
    assert [path for path in written if KEY.encode() in path.read_bytes()] == []
