"""A fresh process that resumes the newest session and prints the pane's rows as JSON: `python resumed_rows.py FOLDER WIDTH`."""

import asyncio
import json
import sys
from pathlib import Path

from flowchat.model.scripted import ScriptedModel
from tests.staging import FACTS, Row, app_on, pane_rows, session_of, until, workspace_at


async def rows_at(folder: Path, width: int) -> list[Row]:
    workspace = workspace_at(folder, ScriptedModel(facts=FACTS))
    app = app_on(workspace, newest=True)
    async with app.run_test(size=(width, 40)) as pilot:
        await until(app, pilot, lambda: app.get_default_screen().session is not None and session_of(app).transcript.head > 0)
        await pilot.pause()
        rows = pane_rows(app)
        await app.close_session()
    await workspace.close()
    return rows


if __name__ == "__main__":
    print(json.dumps(asyncio.run(rows_at(Path(sys.argv[1]), int(sys.argv[2])))))
