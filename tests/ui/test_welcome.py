"""The empty conversation: where one is, what is ready and why, what will be told, and what was done here."""

from pathlib import Path

import pytest
from textual.app import App, ComposeResult

from flowchat.config import Folders, ModelSettings, Settings
from flowchat.runtime.greeting import Greeting, greet, reason_of
from flowchat.runtime.workspace import Workspace
from flowchat.ui.palette import DARK
from flowchat.ui.welcome import Welcome
from tests.ui.test_pickers import NOW, Card


class Empty(App[None]):
    """The welcome alone."""

    def __init__(self) -> None:
        super().__init__()
        self.welcome = Welcome(DARK)

    def compose(self) -> ComposeResult:
        yield self.welcome

    @property
    def rows(self) -> list[str]:
        rows = [self.welcome.render_line(y).text.rstrip() for y in range(self.welcome.size.height)]
        return [row for row in rows if row]


async def test_it_says_where_one_is_what_is_ready_and_why_and_what_was_done_here() -> None:
    app = Empty()
    async with app.run_test(size=(90, 24)):
        app.welcome.show_ready("anthropic/claude-sonnet-4-5", False, Path("/srv/invoice"))
        greeting = Greeting("main", "key from ANTHROPIC_API_KEY", (Path("/srv/invoice/AGENTS.md"),), (Card("s1", "fix it", ""),))
        app.welcome.greet(greeting, NOW)
        assert app.rows == [
            "  flowchat   /srv/invoice   main",
            "  anthropic/claude-sonnet-4-5 is ready (key from ANTHROPIC_API_KEY)   F2 chooses a model",
            "  Instructions   /srv/invoice/AGENTS.md",
            "  Last here   fix it   " + app.rows[-1].split("   ")[-2] + "   /resume",
        ]


@pytest.mark.parametrize(
    ("greeting", "said"),
    [
        (Greeting(instructions=(Path("/srv/AGENTS.md"),), skills=2), ["  Instructions   /srv/AGENTS.md, 2 skills"]),
        (Greeting(skills=1), ["  Instructions   1 skill"]),
        (Greeting(skills_waiting=1), ["  1 skill of this folder waits until you trust it. F4 looks at it"]),
        (
            Greeting(waiting=2, skills_waiting=3),
            ["  2 settings and rules and 3 skills of this folder wait until you trust it. F4 looks at them"],
        ),
    ],
)
async def test_it_counts_the_skills_that_are_read_and_those_that_wait_for_trust(greeting: Greeting, said: list[str]) -> None:
    app = Empty()
    async with app.run_test(size=(120, 24)):
        app.welcome.show_ready("openai/gpt-5", False, Path("/srv/invoice"))
        app.welcome.greet(greeting, NOW)
        assert app.rows[2:] == said


async def test_what_comes_later_moves_nothing_that_stands() -> None:
    app = Empty()
    async with app.run_test(size=(90, 24)):
        app.welcome.show_ready("openai/gpt-5", False, Path("/srv/invoice"))
        before = app.rows
        app.welcome.greet(Greeting("main", "key from OPENAI_API_KEY", (), (Card("s1", "fix it", ""),)), NOW)
        assert [row.split("   ")[0][:12] for row in app.rows][: len(before)] == [row.split("   ")[0][:12] for row in before]


async def test_before_it_is_known_which_model_answers_nothing_is_said_of_it() -> None:
    app = Empty()
    async with app.run_test(size=(40, 12)):
        assert app.rows == ["  flowchat"]


async def test_without_a_model_it_says_how_to_choose_one() -> None:
    app = Empty()
    async with app.run_test(size=(40, 12)):
        app.welcome.show_ready("", False, Path("/srv"))
        assert app.rows[1:] == ["  No model is chosen", "  F2 chooses a model"]
        app.welcome.show_ready("demo", True, Path("/srv"))
        assert app.rows[1].startswith("  The demo model answers")
        assert app.rows[-2:] == ["  F2 chooses a model or enters an API", "  key"]


async def test_what_was_found_here_takes_the_place_of_the_hint_below_the_demo() -> None:
    app = Empty()
    async with app.run_test(size=(80, 24)):
        app.welcome.show_ready("demo", True, Path("/srv"))
        before = app.rows
        app.welcome.tell_found("Found: Ollama (2 models, 1 with tools)")
        assert app.rows == [*before[:-1], "  Found: Ollama (2 models, 1 with tools). F2 takes it"]


def test_the_folder_tells_its_branch_and_its_instructions(tmp_path: Path) -> None:
    place, config = tmp_path / "place", tmp_path / "config"
    (place / ".git").mkdir(parents=True)
    config.mkdir()
    (place / ".git" / "HEAD").write_text("ref: refs/heads/rounding\n")
    for file in (place / "CLAUDE.md", config / "AGENTS.md"):
        file.write_text("Be brief.")
    workspace = Workspace(place, Settings(), Folders(*[config] * 4), environ={"OPENAI_API_KEY": "sk-secret"})
    expected = Greeting("rounding", "key from OPENAI_API_KEY", (config / "AGENTS.md", place / "CLAUDE.md"))
    assert greet(workspace, "openai/gpt-5") == expected
    assert greet(Workspace(config, Settings(), None, environ={}), "demo") == Greeting("", "", (config / "AGENTS.md",))


def test_why_a_model_is_ready_is_a_name_or_a_place_never_a_key() -> None:
    usual = Settings()
    assert reason_of("openai/gpt-5", {"OPENAI_API_KEY": "sk-secret"}, usual, ()) == "key from OPENAI_API_KEY"
    assert reason_of("openai/gpt-5", {}, usual, ("openai",)) == "the key kept for openai"
    assert reason_of("openai/gpt-5", {}, usual, ()) == ""
    assert reason_of("ollama_chat/qwen3:8b", {}, usual, ()) == "on this machine, localhost:11434"
    here = Settings(models={"openai/m": ModelSettings(api_base="http://127.0.0.1:9/v1")})
    assert reason_of("openai/m", {"OPENAI_API_KEY": "sk-secret"}, here, ()) == "on this machine, 127.0.0.1:9"
