"""What keys do on the whole screen, wherever the focus is."""

from pathlib import Path

import pytest

from tests.ui.test_app import Desk, composer, leave, opened, said, until


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


async def test_enter_with_the_focus_nowhere_sends_what_is_written(desk: Desk) -> None:
    app = desk.app()
    async with app.run_test(size=(80, 24)) as pilot:
        session = await opened(pilot, app)
        composer(app).load("Hello.")
        app.chat.set_focus(None)
        await pilot.press("enter")
        await until(pilot, lambda: said(session) == ["Hello."])
        assert app.chat.focused is composer(app)
        await session.idle()
        await leave(app)
