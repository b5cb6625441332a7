"""What is left out, pruned or pinned is marked in the conversation, as soon as it is, and when a session is opened again."""

from pathlib import Path

from flowchat.model.scripted import ScriptedModel, says
from flowchat.transcript.entries import ItemRef
from flowchat.ui.app import FlowchatApp
from flowchat.ui.conversation import Conversation
from tests.staging import app_on, pane_rows, session_of, until, workspace_at


def lines(app: FlowchatApp) -> list[str]:
    return [" ".join(text.split()) for text, _ in pane_rows(app) if text.strip()]


def struck(app: FlowchatApp) -> list[str]:
    return [" ".join(piece.split()) for _, pieces in pane_rows(app) for piece, style in pieces if "strike" in style]


async def test_what_is_set_is_marked_at_once_and_when_the_session_is_opened_again(tmp_path: Path) -> None:
    model = ScriptedModel(
        says("I look.", calls=[("read_file", {"path": "a.txt"})]), says("It has **two** lines."), others={"title": []}
    )
    workspace = workspace_at(tmp_path, model)
    app = app_on(workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(app, pilot, lambda: app.get_default_screen().session is not None)
        session = session_of(app)
        await session.send("How long is it?")
        await session.idle()
        await pilot.pause()
        plain = lines(app)
        refs = {row.kind: row.ref for row in session.context.rows() if row.ref}
        user, call, answer = ItemRef(session.user_messages()[0].seq), refs["call"], refs["answer"]
        assert call is not None
        assert answer is not None
        await session.context.set((user,), "pinned")
        await session.context.set((call,), "excluded")
        await until(app, pilot, lambda: any("excluded" in line for line in lines(app)))
        marked = lines(app)
        assert [line for line in marked if line not in plain] == [
            "• pinned kept through compactions",
            "• excluded left out of requests",
        ]
        assert marked.index("▎ How long is it?") + 1 == marked.index("• pinned kept through compactions")
        assert any("a.txt" in piece for piece in struck(app))
        assert not any("How long" in piece for piece in struck(app))
        pane = app.screen.query_one(Conversation)
        pane.search("left out")
        await pilot.pause()
        pane.end_search()
        await session.context.set((refs["answer"],), "excluded")
        await until(app, pilot, lambda: any("two" in piece for piece in struck(app)))
        await session.context.undo()
        await session.context.undo()
        await session.context.undo()
        await until(app, pilot, lambda: lines(app) == plain)
        assert struck(app) == []
        await session.context.set((call,), "excluded")
        await until(app, pilot, lambda: lines(app) != plain)
        shown = pane_rows(app)
        sid = session.sid
    again = app_on(workspace_at(tmp_path, model), resume=sid)
    async with again.run_test(size=(80, 24)) as pilot:
        await until(again, pilot, lambda: any("excluded" in line for line in lines(again)))
        assert pane_rows(again) == shown
