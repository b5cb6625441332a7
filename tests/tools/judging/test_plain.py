"""The reader of plain command lines: what it takes for words, and what it refuses to read."""

import pytest

from flowchat.tools.command import judge_command
from flowchat.tools.plain import NotPlain, Simple, Word, read, refused_text


def test_words_are_what_programs_get_and_patterns_keep_what_was_quoted() -> None:
    assert read("ls -l 'a b'c \\* \"x$\" ~/d *.p\\y | wc 2>/dev/null\n# no\n\npwd;") == (
        Simple(
            (
                Word("ls", "ls"),
                Word("-l", "-l"),
                Word("'a b'c", "a bc"),
                Word("\\*", "*"),
                Word('"x$"', "x$"),
                Word("~/d", "~/d", home=True),
                Word("*.p\\y", "*.py", "*.py"),
            ),
            "ls -l 'a b'c \\* \"x$\" ~/d *.p\\y",
            "",
        ),
        Simple((Word("wc", "wc"),), "wc 2>/dev/null", "|"),
        Simple((Word("pwd", "pwd"),), "pwd", ";"),
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("ls >x", "it redirects to or from a file"),
        ("echo 12>/dev/null", "it redirects to or from a file"),
        ("echo a2>/dev/null", "it redirects to or from a file"),
        ("ls >/dev/nullx", "it redirects to or from a file"),
        ("ls 2>&1x", "it redirects to or from a file"),
        ("2>/dev/null ls", "a redirection comes first in it"),
        ("ls {x}>/dev/null", "it contains braces, which may become several words"),
        ("ls &", "it leaves a program running in the background"),
        ("ls |& cat", "it leaves a program running in the background"),
        ("ls <<EOF", "it contains a text for a program's input"),
        ("echo $x", "it contains an expansion"),
        ('echo "$x"', "it contains an expansion"),
        ("echo $(x)", "it runs a command to make a part of itself"),
        ("echo `x`", "it runs a command to make a part of itself"),
        ("cat <(x)", "it runs a command to make a part of itself"),
        ("(ls)", "it groups commands or defines one"),
        ("ls 'a", "a quote or a word in it does not end"),
        ("ls \\", "a quote or a word in it does not end"),
        ("l\\\ns", "a quote or a word in it does not end"),
        ("ls ;; pwd", "a command is missing in it"),
        ("ls &&", "a command is missing in it"),
        ("| ls", "a command is missing in it"),
        ("# only this", "a command is missing in it"),
        ("", "a command is missing in it"),
        ("time ls", "'time' is shell syntax, not a program"),
        ("A=1 ls", "'A=1' is shell syntax, not a program"),
        ("%1", "'%1' is shell syntax, not a program"),
        ("l* a", "the program's name is a pattern"),
        ("~/x", "the program's name is a pattern"),
        ("echo a=~/x", "a ~ in it may stand for another folder"),
        ("cat .*", "'.*' may match the folder above"),
        ("cat */../x", "'*/../x' may match the folder above"),
    ],
)
def test_what_is_more_than_plain_words_is_refused_with_its_reason(text: str, why: str) -> None:
    assert read(text) == NotPlain(why)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("ls\N{LINE SEPARATOR}", "it contains the invisible or control character U+2028"),
        ("ls\0", "it contains the invisible or control character U+0000"),
        ("ls \N{RIGHT-TO-LEFT OVERRIDE}", "it contains the invisible or control character U+202E"),
        ("ls\N{NO-BREAK SPACE}a", "it contains the invisible or control character U+00A0"),
        ("l" * 10_001, "it is longer than 10,000 characters"),
        ("ls é 日本 🙂\t\n", ""),
    ],
)
def test_a_text_with_what_is_not_seen_is_not_judged(text: str, why: str) -> None:
    assert refused_text(text) == why


@pytest.mark.parametrize("text", ["ls \\ [", "ls ;{}", "ls ==", "ls >&2 ^", "ls  &&2=", "ls \n!{}!"])
def test_where_the_two_readings_differ_nothing_is_known(text: str) -> None:
    """The reader takes these; the grammar takes them for something else, mostly wrongly."""
    assert not isinstance(read(text), NotPlain)
    judged = judge_command(text)
    assert (judged.plain, judged.parts, bool(judged.murky)) == (False, (), True)
