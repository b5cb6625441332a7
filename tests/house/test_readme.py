"""What the README says of the program is what the program does."""

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

import pytest

from flowchat.arguments import Chat, Page, parse
from flowchat.config import ModelSettings, Settings, read_settings
from flowchat.tools.rules import parse_rule
from flowchat.ui.commands import COMMANDS
from flowchat.ui.key_names import shown
from flowchat.ui.keymap import load_keymap
from flowchat.ui.keys import CHAT, COMPOSER, CONTEXTS, PANE, Key

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]+")


def section(heading: str) -> str:
    return README.partition(f"\n{heading}\n")[2].partition("\n#")[0]


def under(heading: str) -> list[str]:
    """The rows of the table under a heading, without those that only say what its columns are."""
    return [line for line in section(heading).splitlines() if line.startswith("|")][2:]


@pytest.mark.parametrize(
    ("heading", "table"),
    [("### Everywhere", CHAT), ("### While writing", COMPOSER), ("### In the conversation", PANE)],
)
def test_every_key_is_in_it_with_what_it_does(heading: str, table: Sequence[Key]) -> None:
    keys = [(", ".join(f"`{shown(key)}`" for key in row.keys), row.help) for row in table if row.help and row.keys]
    assert under(heading) == [f"| {names} | {said} |" for names, said in keys]


def test_every_command_is_in_it_with_what_it_does() -> None:
    rows: list[str] = []
    for command in COMMANDS:
        also = f"; also {', '.join(f'`/{alias}`' for alias in command.aliases)}" if command.aliases else ""
        rows.append(f"| `{f'/{command.name} {command.argument}'.rstrip()}`{also} | {command.help} |")
    assert under("### Commands") == rows


def test_its_keys_of_your_own_are_taken(tmp_path: Path) -> None:
    [example] = re.findall(r"```json\n(.*?)```", section("### Keys of your own"), re.DOTALL)
    (tmp_path / "keybindings.json").write_text(example, encoding="utf-8")
    keymap = load_keymap(tmp_path / "keybindings.json")
    assert (keymap.notices, keymap.acts("chat")["ctrl+e"], keymap.acts("chat").get("ctrl+l")) == ((), "redraw", None)
    assert [context for context in CONTEXTS if f"`{context}`" not in section("### Keys of your own")] == []


def test_its_settings_are_all_there_are_at_their_defaults(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    [example] = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    file.write_text(example, encoding="utf-8")
    settings, notices = read_settings(file)
    assert notices == ()
    assert settings == Settings(models={"openai/qwen": ModelSettings(32768, 4096, "http://127.0.0.1:8000/v1")})
    assert [name for name in Settings.__struct_fields__ if not re.search(rf"^\[?{name}\b", example, re.MULTILINE)] == []


def test_every_flag_is_in_it_and_no_other() -> None:
    helped = [parse(["--help"]), parse(["sessions", "--help"]), parse(["trash", "--help"])]
    flags = {flag for page in helped if isinstance(page, Page) for flag in FLAG.findall(page.text)}
    assert set(FLAG.findall(section("## The command"))) == flags - {"--help", "--max-turns"}


def test_its_examples_are_understood() -> None:
    called = re.findall(r"^    (?:[A-Z_]+=\S+ )?flowchat (-m \S+)", README, re.MULTILINE)
    assert [type(parse(shlex.split(words))) for words in called] == [Chat, Chat]
    rules = re.findall(r"`--allow '?([^'`]+)'?`", README)
    assert [str(parse_rule(rule)) != "" for rule in rules] == [True, True, True]


def test_every_file_it_names_is_there() -> None:
    patterns = (r"\]\(([^)#]+)\)", r"`((?:flowchat|tests|\.ci)/[\w./-]+)`", r"sh (\.ci/\w+)", r"(?m)^ *(\w+/\w+\.py)")
    paths = {path for pattern in patterns for path in re.findall(pattern, README)}
    assert len(paths) > 10
    assert [path for path in paths if not (ROOT / path).exists() and not (ROOT / "flowchat" / path).exists()] == []
