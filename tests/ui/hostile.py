"""The program among texts that try to act on the terminal, wherever one can come from: `hostile.py FOLDER TEXTS MODE`."""

import asyncio
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import cast

from flowchat.config import Folders, Settings
from flowchat.model.model import AuthFailed, ModelFacts
from flowchat.model.scripted import Fails, Says, ScriptedModel, fails, says
from flowchat.runtime.workspace import Workspace
from flowchat.transcript.entries import Mode
from flowchat.ui.app import Start, run_app

TITLED = "titled"
"""The first message of the sessions that have the texts as their titles."""


def file_name(text: str) -> str:
    """A text as a file can be called."""
    return text.replace("/", "_")[:100]


def main(folder: Path, texts: Sequence[str], mode: Mode) -> int:
    """Run the screen; a message makes the model say, think and call with each of the texts, where `mode` is default ask first."""
    work = folder / "work"
    work.mkdir()
    (work / "AGENTS.md").write_text("\n".join(texts))
    for number, text in enumerate(texts):
        (work / file_name(text)).write_text("")
        (work / f"text-{number}").write_text(text)
    (work / "all").write_text("\n".join(texts))
    folders = Folders(*(folder / "user" / name for name in ("data", "config", "cache", "state")))
    asyncio.run(_titled(work, folders, texts))
    asks = says(calls=[("shell", {"command": "\n".join(texts)})])
    steps = [asks] if mode == "default" else [_step(number, text) for number, text in enumerate(texts)]
    model = _model([*steps, says("Done.", calls=[("glob", {"pattern": "*"})]), says("All done.")])
    return run_app(_workspace(work, folders, model, texts, mode), start=Start(model="scripted"))


def _workspace(work: Path, folders: Folders, model: ScriptedModel, texts: Sequence[str], mode: Mode) -> Workspace:
    settings = Settings(permission_mode=mode)
    return Workspace(work, settings, folders, environ={}, notices=tuple(texts), make_model=lambda name: model)


def _model(steps: Iterable[Says | Fails]) -> ScriptedModel:
    return ScriptedModel(*steps, facts=ModelFacts("scripted", "scripted", 1_000_000, "config"))


def _step(number: int, text: str) -> Says:
    """What the model does of one text: says it, thinks it, names tools and arguments by it, reads it, and runs what prints it."""
    calls = [
        (text, {text: text}),
        ("read_file", {"path": f"text-{number}"}),
        ("read_file", {"path": text}),
        ("shell", {"command": f"cat text-{number}; sleep 0.02; cat text-{number} >&2"}),
        ("write_file", {"path": f"text-{number}", "content": f"{text}\nand more"}),
        ("read_file", text),
    ]
    return says(text, thinking=text, calls=calls)


async def _titled(work: Path, folders: Folders, texts: Sequence[str]) -> None:
    """A session for each text, called by it, that failed with it."""
    for text in texts:
        workspace = _workspace(work, folders, _model([fails(AuthFailed(text))]), (), "default")
        session = await workspace.new(model="scripted")
        await session.send(f"{TITLED} {text}")
        await session.idle()
        await session.rename(text)
        await session.close()
        await workspace.close()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text()), cast("Mode", sys.argv[3])))
