"""/jobs: what runs in the background, what it prints, and the key that ends it."""

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from textual.pilot import Pilot

from flowchat.agent.clock import SystemClock
from flowchat.config import Settings
from flowchat.model.scripted import ScriptedModel, says
from flowchat.tools.jobs import JobShown
from flowchat.ui.app import FlowchatApp
from flowchat.ui.confirm_screen import ConfirmScreen
from flowchat.ui.edge import Edge
from flowchat.ui.jobs_screen import NONE, JobsScreen
from flowchat.ui.listing import Listing
from flowchat.ui.meter import Meter
from flowchat.ui.palette import DARK
from tests.staging import FACTS, app_on, pane_rows, session_of, until, workspace_at
from tests.ui.test_pickers import Pushed

SERVER = JobShown(1, "npm run dev", 0, lines=3, total_bytes=40, last_line="ready")
BUILD = JobShown(2, "make all", 5_000, 17_000, "exit 2", True, 120, 9_000, "make: *** Error 2")


class Running:
    """Two jobs, one of which runs until it is ended."""

    def __init__(self, *jobs: JobShown) -> None:
        self.jobs = list(jobs)
        self.printed = {1: "building\n\x1b[31mready\x1b[0m\x1b]52;c;Zm9v\x07\n", 2: "".join(f"line {n}\n" for n in range(1, 121))}
        self.ended: list[int] = []

    def screen(self) -> JobsScreen:
        return JobsScreen(DARK, lambda: self.jobs, lambda number: self.printed.get(number, ""), self.end, lambda: 65_000)

    def end(self, number: int) -> None:
        self.ended.append(number)
        self.jobs = [
            replace(job, ended_ms=66_000, end="stopped by the user") if job.number == number else job for job in self.jobs
        ]


def lines_of(app: Any) -> list[str]:
    """All that is to be seen, top to bottom."""
    widgets = [widget for widget in app.screen.query("Rows, Listing") if widget.display]
    drawn = [widget.render_line(y).text.rstrip() for widget in widgets for y in range(widget.size.height)]
    return [line for line in drawn if line]


@pytest.mark.parametrize("size", [(80, 24), (40, 12)])
async def test_each_job_says_how_it_stands_and_the_chosen_one_what_it_printed_last(size: tuple[int, int]) -> None:
    app = Pushed(Running(SERVER, BUILD).screen())
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        listing = app.screen.query_one(Listing)
        assert [row.cells for row in listing.rows] == [
            (" 1  npm run dev", "running", "1 min 5 s", "3 lines"),
            (" 2  make all", "exit 2", "12 s", "120 lines"),
        ]
        assert (listing.chosen_index, lines_of(app)[-3].strip()) == (1, "line 120")
        await pilot.press("up")
        await pilot.pause()
        assert "ready" in lines_of(app)[-3]
        assert "Zm9v" not in " ".join(lines_of(app))
        assert "k end it" in lines_of(app)[-1].lower()


async def test_enter_shows_the_whole_output_at_its_end_and_escape_the_list_again() -> None:
    app = Pushed(Running(SERVER, BUILD).screen())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await pilot.press("enter")
        await pilot.pause()
        assert not app.screen.query_one(Listing).display
        assert lines_of(app)[0].strip() == "2  make all"
        await pilot.press("home")
        await pilot.pause()
        assert lines_of(app)[1].strip() == "line 1"
        await pilot.press("escape")
        await pilot.pause()
        assert app.screen.query_one(Listing).display
        await pilot.press("escape")
        await pilot.pause()
        assert app.given == [None]


async def test_k_ends_the_chosen_job_and_only_one_that_runs() -> None:
    running = Running(SERVER, BUILD)
    app = Pushed(running.screen())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await pilot.press("k")
        assert running.ended == []
        await pilot.press("up", "k")
        assert running.ended == [1]
        app.screen.look()
        await pilot.pause()
        assert app.screen.query_one(Listing).rows[0].cells[1:3] == ("stopped by the user", "1 min 6 s")
        assert "end it" not in lines_of(app)[-1]


async def test_without_jobs_it_says_what_they_would_be() -> None:
    app = Pushed(Running().screen())
    async with app.run_test(size=(120, 24)) as pilot:
        await pilot.pause()
        assert NONE in " ".join(lines_of(app))
        await pilot.press("k", "enter", "up", "escape")
        await pilot.pause()
        assert app.given == [None]


# --- the real app ----------------------------------------------------------------------------------------------------
class Stage:
    def __init__(self, folder: Path, command: str) -> None:
        begins = says("", calls=[("shell", {"command": command, "background": True})])
        self.workspace = workspace_at(
            folder,
            ScriptedModel(begins, says("It is up."), says("Again."), facts=FACTS),
            SystemClock(),
            Settings(permission_mode="bypass"),
        )
        self.app: FlowchatApp = app_on(self.workspace)

    async def begin(self, pilot: Pilot[Any]) -> None:
        await until(self.app, pilot, lambda: self.app.chat.session is not None)
        await session_of(self.app).send("go")
        await session_of(self.app).idle()

    def metered(self) -> str:
        return self.app.chat.query_one(Meter).render_line(0).text

    def shown(self) -> str:
        return "\n".join(text for text, _ in pane_rows(self.app))


async def test_the_meter_counts_what_runs_and_jobs_ends_it(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "echo ready; sleep 600")
    async with stage.app.run_test(size=(100, 30)) as pilot:
        await stage.begin(pilot)
        await until(stage.app, pilot, lambda: "1 job " in stage.metered())
        await pilot.press(*"/jobs", "enter")
        await until(stage.app, pilot, lambda: isinstance(stage.app.screen, JobsScreen))
        await until(stage.app, pilot, lambda: "ready" in "".join(lines_of(stage.app)))
        await pilot.press("k")
        await until(stage.app, pilot, lambda: session_of(stage.app).background.running == [])
        await pilot.press("escape")
        await until(stage.app, pilot, lambda: "stopped by the user" in stage.shown())
        assert " job" not in stage.metered()
        await stage.app.close_session()


async def test_what_the_pane_shows_of_an_ended_job_is_the_same_after_a_resume(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "seq 5; exit 3")
    async with stage.app.run_test(size=(100, 30)) as pilot:
        await stage.begin(pilot)
        await until(stage.app, pilot, lambda: "exit 3" in stage.shown())
        await pilot.pause()
        live = pane_rows(stage.app)
        sid = session_of(stage.app).sid
        await stage.app.close_session()
    again = app_on(stage.workspace, resume=sid)
    async with again.run_test(size=(100, 30)) as pilot:
        await until(again, pilot, lambda: again.chat.session is not None)
        await pilot.pause()
        assert pane_rows(again) == live
        await again.close_session()


async def test_leaving_asks_while_a_job_runs_and_says_which_one_ends(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "sleep 600")
    async with stage.app.run_test(size=(100, 30)) as pilot:
        await stage.begin(pilot)
        await pilot.press("ctrl+c")
        await until(stage.app, pilot, lambda: "again leaves and ends Job 1 (sleep 600)" in drawn(stage.app, Edge))
        await pilot.press(*"/quit", "enter")
        await until(stage.app, pilot, lambda: isinstance(stage.app.screen, ConfirmScreen))
        assert "Job 1 (sleep 600) still runs, and will end. Leave?" in " ".join(lines_of(stage.app))
        await pilot.press("n")
        await until(stage.app, pilot, lambda: stage.app.screen is stage.app.chat)
        assert len(session_of(stage.app).background.running) == 1
        await pilot.press("ctrl+d")
        await until(stage.app, pilot, lambda: isinstance(stage.app.screen, ConfirmScreen))
        await pilot.press("y")
        await until(stage.app, pilot, lambda: stage.app.return_code is not None)
        await stage.app.close_session()
    assert stage.app.return_code == 0


async def test_another_session_in_its_place_says_what_ended_with_the_one_that_was_left(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "sleep 600")
    async with stage.app.run_test(size=(100, 30)) as pilot:
        await stage.begin(pilot)
        left = session_of(stage.app)
        await pilot.press(*"/new", "enter")
        await until(stage.app, pilot, lambda: session_of(stage.app) is not left)
        await until(stage.app, pilot, lambda: "Job 1 (sleep 600) ended with the session you left" in drawn(stage.app, Edge))
        await until(stage.app, pilot, lambda: left.state.state == "closed")
        assert [job.end for job in left.background.shown()] == ["the session was closed"]
        assert " job" not in stage.metered()
        await stage.app.close_session()


def drawn(app: FlowchatApp, kind: type[Any]) -> str:
    widget = app.chat.query_one(kind)
    return " ".join(widget.render_line(y).text.strip() for y in range(widget.size.height))
