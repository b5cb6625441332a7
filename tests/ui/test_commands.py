"""What a submitted text commands."""

import pytest

from flowchat.ui import command_acts, key_acts
from flowchat.ui.commands import COMMANDS, Command, Typed, UnknownCommand, read_command
from flowchat.ui.keys import CHAT

BY_NAME: dict[str, Command] = {command.name: command for command in COMMANDS}


@pytest.mark.parametrize(
    ("text", "name", "argument"),
    [
        ("/help", "help", ""),
        ("/clear", "new", ""),
        ("/continue", "resume", ""),
        ("/resume 20261120-19", "resume", "20261120-19"),
        ("/title  two words ", "rename", "two words"),
        ("/compress keep the names", "compact", "keep the names"),
        ("/compact keep\nthe names", "compact", "keep\nthe names"),
        ("/edit -2", "edit", "-2"),
        ("/EXIT", "quit", ""),
        ("/q", "quit", ""),
        ("q", "quit", ""),
        (" :q ", "quit", ""),
    ],
)
def test_a_known_name_or_alias_is_a_command_with_the_rest_as_its_argument(text: str, name: str, argument: str) -> None:
    assert read_command(text) == Typed(BY_NAME[name], argument)


@pytest.mark.parametrize(
    "text", ["hello", "/usr/bin is missing", "/tmp holds it", "/ nothing", "a /help", "/etc/hosts", "q?", "//x"]
)
def test_a_path_or_plain_text_is_a_message(text: str) -> None:
    assert read_command(text) is None


def test_an_unknown_command_names_the_nearest() -> None:
    assert read_command("/resum") == UnknownCommand("There is no command /resum; the nearest is /resume.")
    assert read_command("/modle gpt-5") == UnknownCommand("There is no command /modle; the nearest is /model.")
    assert read_command("/xyzzy") == UnknownCommand("There is no command /xyzzy; /help lists them.")


@pytest.mark.parametrize("name", ["help", "new", "clear", "retry", "queue", "fork", "quit", "exit"])
def test_a_command_that_takes_nothing_throws_no_words_away(name: str) -> None:
    found = read_command(f"/{name} look at the totals, please")
    assert isinstance(found, UnknownCommand)
    assert found.sentence.endswith(" takes no argument.")


def test_a_word_that_a_command_does_not_know_is_refused() -> None:
    assert read_command("/context raw") == Typed(BY_NAME["context"], "raw")
    assert read_command("/context map") == UnknownCommand("/context takes no argument, or raw.")


def test_no_name_means_two_commands() -> None:
    names = [name for command in COMMANDS for name in (command.name, *command.aliases)]
    assert sorted(set(names)) == sorted(names)


def test_each_command_has_one_thing_that_is_done_and_each_key_of_the_chat_as_well() -> None:
    assert [*command_acts.BY_NAME] == [command.name for command in COMMANDS]
    assert [*key_acts.BY_ACT] == [*dict.fromkeys(key.act for key in CHAT)]
