"""What the way to the first screen does not load: each of these costs more than everything it does."""

import subprocess
import sys

HEAVY = (
    "litellm",
    "openai",
    "mcp",
    "pydantic",
    "httpx",
    "markdown_it",
    "pygments.lexers",
    "aiohttp",
    "jinja2",
    "tokenizers",
    "tree_sitter",
    "yaml",
)
REPORT = f"import sys; print([name for name in {HEAVY!r} if name in sys.modules])"


def loaded_by(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-P", "-c", f"{code}\n{REPORT}"], capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL
    )
    return done.stdout.strip()


def test_the_command_line_loads_nothing_heavy() -> None:
    assert loaded_by("import flowchat.__main__, flowchat.cli; flowchat.arguments.parse(['-c'])") == "[]"


def test_the_version_does_not_even_load_the_screen() -> None:
    done = subprocess.run([sys.executable, "-m", "flowchat", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("flowchat 0.")
    assert loaded_by("import sys, flowchat.cli; flowchat.cli.main(['--version'])\nassert 'textual' not in sys.modules").endswith(
        "[]"
    )


def test_building_the_app_loads_nothing_heavy() -> None:
    building = (
        "from pathlib import Path; from flowchat.config import Settings; from flowchat.runtime.workspace import Workspace",
        "from flowchat.ui.app import FlowchatApp, Start",
        "FlowchatApp(Workspace(Path('.'), Settings(), None), Start())",
    )
    assert loaded_by("\n".join(building)) == "[]"


def test_an_answer_of_the_demo_loads_nothing_heavy() -> None:
    answering = "import flowchat.cli; assert flowchat.cli.main(['-p', '-m', 'demo', '--no-session', 'hello']) == 0"
    assert loaded_by(answering).splitlines()[-1] == "[]"


def test_the_report_would_name_a_heavy_module() -> None:
    assert loaded_by("import jinja2") == "['jinja2']"
