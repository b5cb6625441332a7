"""Choosing the model in the real app: what is kept in the settings, what answers then, where a key is and where it is not."""

from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from flowchat.agent.clock import SystemClock
from flowchat.config import Settings, read_settings
from flowchat.model.scripted import ScriptedModel, says
from flowchat.runtime.workspace import Workspace
from flowchat.store.keys import Keys
from flowchat.ui.app import FlowchatApp, Start
from flowchat.ui.composer import Composer
from flowchat.ui.edge import Edge
from flowchat.ui.model_screen import ModelScreen
from tests.desk import project_folder
from tests.model.serving import ELSEWHERE, OLLAMA, serving
from tests.pictures.drawing import screen_segments
from tests.staging import FACTS, folders_at, session_of, until


class Stage:
    """The app on a machine where only `environ` leads to a model server; every model is the script."""

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        self.folders = folders_at(folder)
        self.model = ScriptedModel(facts=FACTS)
        self.workspace = Workspace(
            project_folder(folder),
            Settings(),
            self.folders,
            environ=ELSEWHERE | environ,
            clock=SystemClock(),
            make_model=lambda name: self.model,
            keys=Keys(self.folders.config, lambda: None),
        )
        self.app = FlowchatApp(self.workspace, Start())

    async def begin(self, pilot: Pilot[Any]) -> None:
        await until(self.app, pilot, lambda: self.app.chat.session is not None)

    async def shows(self, pilot: Pilot[Any], words: str) -> None:
        await until(self.app, pilot, lambda: words in self.rows)

    @property
    def rows(self) -> str:
        return "\n".join("".join(segment.text for segment in row) for row in screen_segments(self.app))

    @property
    def edge(self) -> str:
        return self.app.chat.query(Edge).first().render_line(0).text


async def test_f2_tests_and_keeps_the_model_of_this_machine(tmp_path: Path) -> None:
    async with serving(OLLAMA) as base:
        stage = Stage(tmp_path, {"OLLAMA_API_BASE": base})
        stage.model.then(says("", calls=[("report_ready", {"ready": True})]), says("Hello."))
        async with stage.app.run_test(size=(110, 24)) as pilot:
            await stage.begin(pilot)
            assert session_of(stage.app).model == "demo"
            await pilot.press(*"half ", "f2")
            await stage.shows(pilot, "Found: Ollama (3 models, 2 with tools)")
            await pilot.press("enter")
            await stage.shows(pilot, "it called the one it was given")
            assert not stage.folders.settings_file.exists()
            await pilot.press("enter")
            await until(stage.app, pilot, lambda: "ollama_chat/qwen3:8b answers from now on" in stage.edge)
            assert read_settings(stage.folders.settings_file)[0].model == "ollama_chat/qwen3:8b"
            assert session_of(stage.app).model == "ollama_chat/qwen3:8b"
            await pilot.press(*"a word")
            assert stage.app.chat.query_one(Composer).text == "half a word"
            await stage.app.close_session()


async def test_what_the_environment_names_first_is_told_when_another_is_kept(tmp_path: Path) -> None:
    stage = Stage(tmp_path, {"FLOWCHAT_MODEL": "openai/named"})
    async with stage.app.run_test(size=(140, 24)) as pilot:
        await stage.begin(pilot)
        stage.app.chat.query_one(Composer).load("/model")
        await pilot.press("enter")
        await until(stage.app, pilot, lambda: isinstance(stage.app.screen, ModelScreen))
        await pilot.press(*"demo", "enter")
        await until(stage.app, pilot, lambda: "in other sessions not: FLOWCHAT_MODEL names openai/named" in stage.edge)
        assert session_of(stage.app).model == "demo"
        await stage.app.close_session()


async def test_where_settings_cannot_be_written_the_model_answers_in_this_session(tmp_path: Path) -> None:
    stage = Stage(tmp_path, {"FLOWCHAT_MODEL": "openai/named"})
    stage.folders.settings_file.parent.mkdir(parents=True)
    stage.folders.settings_file.write_text("theme = \n")
    async with stage.app.run_test(size=(140, 24)) as pilot:
        await stage.begin(pilot)
        await pilot.press("f2", *"demo", "enter")
        await until(stage.app, pilot, lambda: "demo answers in this session only: " in stage.edge)
        assert session_of(stage.app).model == "demo"
        assert stage.folders.settings_file.read_text() == "theme = \n"
        await stage.app.close_session()


async def test_a_key_goes_to_its_file_alone(tmp_path: Path) -> None:
    stage = Stage(tmp_path, {})
    async with stage.app.run_test(size=(140, 24)) as pilot:
        await stage.begin(pilot)
        await pilot.press("f2", *"api key", "enter", *"mistral", "enter", *"sk-secret", "enter")
        await stage.shows(pilot, f"The key for mistral is kept in {stage.folders.config / 'keys.json'}.")
        assert "mistral/mistral-large-latest" in stage.rows
        await pilot.press("escape", *"hi", "enter")
        await stage.app.close_session()
    holding = [file.name for file in tmp_path.rglob("*") if file.is_file() and b"sk-secret" in file.read_bytes()]
    assert holding == ["keys.json"]
    assert (stage.folders.config / "keys.json").stat().st_mode & 0o777 == 0o600
