"""The real app on a real workspace, its model a script and its home a temporary folder: for tests of what is seen."""

from collections.abc import Callable
from pathlib import Path

from flowchat.config import Folders, Settings
from flowchat.model.model import ModelFacts
from flowchat.model.scripted import ScriptedModel
from flowchat.runtime.session import Session
from flowchat.runtime.workspace import Workspace
from flowchat.store.disk import Disk
from flowchat.ui.app import FlowchatApp, Start
from flowchat.ui.conversation import Conversation
from tests.desk import HandClock, project_folder

FACTS = ModelFacts("scripted", "scripted", 20_000, "config", max_output=2_000)
Row = tuple[str, list[tuple[str, str]]]
"""A row of the pane: its text, and its pieces with their styles."""


def folders_at(tmp_path: Path) -> Folders:
    return Folders(*(tmp_path / "user" / name for name in ("data", "config", "cache", "state")))


def workspace_at(
    tmp_path: Path,
    model: ScriptedModel,
    clock: HandClock | None = None,
    settings: Settings | None = None,
    disk: Disk | None = None,
) -> Workspace:
    """A workspace whose every model is the script."""
    return Workspace(
        project_folder(tmp_path),
        settings or Settings(),
        folders_at(tmp_path),
        environ={},
        clock=clock or HandClock(),
        make_model=lambda name: model,
        disk=disk,
    )


def app_on(workspace: Workspace, **start: object) -> FlowchatApp:
    return FlowchatApp(workspace, Start(model="scripted", **start))


def session_of(app: FlowchatApp) -> Session:
    session = app.get_default_screen().session
    assert session is not None
    return session


def pane_rows(app: FlowchatApp) -> list[Row]:
    """Every row of the pane, text and style; trailing blanks of a row do not count."""
    pane = app.screen.query_one(Conversation)
    return [_row(strip) for strip in pane.rows()]


def _row(strip: object) -> Row:
    pieces = [(segment.text, str(segment.style or "")) for segment in strip]
    merged: list[tuple[str, str]] = []
    for text, style in pieces:
        if merged and merged[-1][1] == style:
            merged[-1] = (merged[-1][0] + text, style)
        elif text:
            merged.append((text, style))
    return strip.text.rstrip(), merged


async def until(app: FlowchatApp, pilot: object, condition: Callable[[], bool]) -> None:
    """Let the app go on until a condition holds."""
    for _ in range(2_000):
        if condition():
            return
        await pilot.pause(0.005)
    raise AssertionError("the condition never held")
