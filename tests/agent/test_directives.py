"""What the user asked for that still holds."""

import pytest

from flowchat.agent.directives import split_directives, still_said, with_directives
from flowchat.agent.prompt import edited_parts
from flowchat.transcript.entries import Edited, Text
from tests.growing import Grown

SECTIONS = "## Done\nread\n\n## Current work\nnothing"


@pytest.mark.parametrize(
    ("summary", "left", "directives"),
    [
        ("no heading at all", "no heading at all", ()),
        ("## Done\nread\n\n## User directives\n- one\n* two\n\n- \n## Current work\nnothing", SECTIONS, ("one", "two")),
        ("## Done\nread\n\n## User directives\n- last", "## Done\nread", ("last",)),
        (
            "## Done\nread\n\n### 4. User Directives (verbatim)\n1. one\n2) two\n\n## Current work\nnothing",
            SECTIONS,
            ("one", "two"),
        ),
        (
            "## Done\nread\n\n## User directives\n• one\n> two\n- [ ] three\n- [x] four",
            "## Done\nread",
            ("one", "two", "three", "four"),
        ),
        ("## Done\nread\n\n## User directives\n### Style\n- a\n### Tests\n- b\n## Current work\nnothing", SECTIONS, ("a", "b")),
        ("## Done\nread\n\n## User directives\nNone.\n- n/a", "## Done\nread", ()),
    ],
)
def test_directives_are_taken_out_of_a_summary(summary: str, left: str, directives: tuple[str, ...]) -> None:
    assert split_directives(summary) == (left, directives)


def test_a_checkpoint_reads_as_its_summariser_wrote_it() -> None:
    assert split_directives(with_directives("## Done\nread", ("one", "two"))) == ("## Done\nread", ("one", "two"))
    assert with_directives("## Done\nread", ()) == "## Done\nread"


def held(said: tuple[str, ...], grown: Grown, upto: int, tokens: int) -> tuple[tuple[str, ...], int]:
    return still_said(said, grown.branch(), upto, edited_parts(grown.branch()), tokens)


def test_only_the_users_own_words_hold_each_once_where_it_was_said_last() -> None:
    grown = Grown().turn("use tabs and be short", "ok").turn("no colours", "ok")
    said = ("use tabs", "no colours", "invented", "use tabs")
    assert held(said, grown, grown.head, 100) == (("no colours", "use tabs"), 0)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("Use single quotes.", "Use single quotes."),
        ('"Use single quotes."', "Use single quotes."),
        ("**Use single quotes.**", "Use single quotes."),
        ("`use single quotes`", "Use single quotes"),
        ("*Use* single quotes", "Use single quotes"),
        ("Keep the public API as it is.", "Keep the public API as it is."),
        ("Run `ruff check` first", "Run `ruff check` first"),
        ("Use double quotes.", None),
        ("quotes single Use", None),
        ("...", None),
    ],
)
def test_the_users_words_are_known_however_a_summariser_sets_them(line: str, words: str | None) -> None:
    grown = Grown().turn("Use single quotes. Keep the\n  public API as it is. Run `ruff check` first", "ok")
    assert held((line,), grown, grown.head, 100) == ((words,) if words else (), 0)


def test_words_behind_the_cut_or_edited_away_do_not_hold() -> None:
    grown = Grown().turn("use tabs", "ok").user("no colours")
    assert held(("use tabs", "no colours"), grown, grown.head - 1, 100) == (("use tabs",), 0)
    grown.add(Edited(2, (Text("use spaces"),)))
    assert held(("use tabs", "use spaces"), grown, grown.head, 100) == (("use spaces",), 0)


def test_of_more_directives_than_there_is_room_for_the_newest_hold() -> None:
    lines = tuple(f"line number {number}" for number in range(10))
    grown = Grown().turn(" ".join(lines), "ok")
    assert held(lines, grown, grown.head, 15) == (lines[-3:], 7)
