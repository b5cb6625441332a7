"""The tables of programs' options: ours are sound, and what is wrong with another is told by its line."""

from pathlib import Path

import pytest

from flowchat.tools.command import judge_command
from flowchat.tools.tables import BadTable, Problem, own_programs, read_table, table_for, user_tables

GOOD = """# Counts lines of code.
flags = ['-v', '--verbose']
match = ['cloc src', 'cloc -v src']
not_match = ['cloc --out=x src']

[values]
--lang = 'text'
"""


@pytest.mark.parametrize("program", own_programs())
def test_a_table_of_our_own_does_what_its_examples_say(program: str) -> None:
    table = table_for(program)
    assert table is not None
    assert table.program == program


def test_every_program_that_agents_look_with_has_a_table() -> None:
    looks = """ls cat head tail wc grep rg fd find file stat du df pwd echo printf true false test which type uname date whoami id
    tree diff cmp sort uniq cut tr nl basename dirname realpath readlink sha256sum md5sum git python node cargo pip sed cd"""
    assert set(looks.split()) <= set(own_programs())


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        (GOOD.replace("'cloc -v src'", "'cloc -x src'"), 3, "'cloc -x src' is refused: -x is not known to only read"),
        (GOOD.replace("--out=x", "--lang=x"), 4, "only reads, by this table: 'cloc --lang=x src'"),
        (GOOD.replace("cloc --out=x src", "cloc $x"), 4, "'cloc $x' is not one plain command"),
        (GOOD.replace("not_match = ['cloc --out=x src']\n", ""), 0, "it needs examples: match and not_match"),
        (GOOD.replace("flags =", "flag ="), 2, "unknown field `flag`"),
        (GOOD.replace("flags = ['-v', '--verbose']", "flags = 3"), 2, "`$.flags`"),
        (GOOD.replace("'text'", "'words'"), 7, "'words' is no kind of value: text, word, path, number, none or /pattern/"),
        (GOOD.replace("'text'", "'/(/'"), 7, "'/(/' is no pattern"),
        (GOOD + "nonsense\n", 8, "line 8"),
        (GOOD + "[commands.lines]\nlike = 'words'\n", 9, "there is no subcommand 'words' to be like"),
        ("same_as = 'nothing'\n", 0, "there is no table for 'nothing'"),
    ],
)
def test_what_is_wrong_with_a_table_is_told_by_its_line(text: str, line: int, what: str) -> None:
    with pytest.raises(BadTable) as bad:
        read_table("cloc", text)
    assert (bad.value.line, what in str(bad.value)) == (line, True), str(bad.value)


def test_a_users_table_adds_a_program_and_a_bad_one_is_a_reported_line(tmp_path: Path) -> None:
    (tmp_path / "cloc.toml").write_text(GOOD)
    (tmp_path / "broken.toml").write_text("match = [\n")
    (tmp_path / "git.toml").write_text(GOOD)
    (tmp_path / "odd.toml").write_bytes(b"\xff")
    tables, problems = user_tables(tmp_path)
    assert [(problem.file.name, problem.line) for problem in problems] == [("broken.toml", 1), ("git.toml", 0), ("odd.toml", 0)]
    assert problems[1] == Problem(tmp_path / "git.toml", 0, "flowchat has a table for git itself")
    assert set(tables) == {"cloc"}
    assert judge_command("cloc -v src | head", more=tables).read_only
    assert not judge_command("cloc -v src | head").read_only
    assert not judge_command("cloc --lang", more=tables).read_only


def test_names_that_are_no_file_names_have_no_table() -> None:
    assert [table_for(name) for name in ("", "..", "../programs/ls", "ls/", "LS", "ls\n", "a" * 300)] == [None] * 7
