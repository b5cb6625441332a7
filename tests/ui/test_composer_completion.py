"""What is offered for a word, and what is an earlier text."""

import pytest

from flowchat.ui.completion import OFFERS_LIMIT, Offer, Wanted, command_offers, file_offers, skill_offers, wanted_at
from flowchat.ui.history import History

PATHS = ["README.md", "docs/a b.md", "src/app.py", "src/invoice/lines.py", "src/invoice/total.py", "tests/test_total.py"]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("/", Wanted("command", (0, 0), "")),
        ("/mo", Wanted("command", (0, 0), "mo")),
        ("/mo x", None),
        ("say /mo", None),
        ("@", Wanted("file", (0, 0), "")),
        ("look at @src/t", Wanted("file", (0, 8), "src/t")),
        ('see @"docs/a b', Wanted("file", (0, 4), "docs/a b")),
        ("me@example.org", None),
        ("@done now", None),
        ("$", Wanted("skill", (0, 1), "")),
        ("use ($re-v", Wanted("skill", (0, 6), "re-v")),
        ("/skill:re", Wanted("skill", (0, 7), "re")),
        ("say /skill:re", None),
        ("/skill re", Wanted("skill", (0, 7), "re")),
        ("/skill re now", None),
        ("!echo $re", None),
        ("!!cat @src", Wanted("file", (0, 6), "src")),
        ("it costs 5 $", None),
        ("a$b", None),
        ("$HOME", None),
        ("$done now", None),
    ],
)
def test_a_word_at_the_caret_is_completed_if_it_begins_like_a_command_or_a_file(text: str, wanted: Wanted | None) -> None:
    assert wanted_at([text], (0, len(text))) == wanted


def test_a_command_is_found_by_its_name_first_and_by_an_alias() -> None:
    assert [offer.text for offer in command_offers("re")] == ["/resume ", "/rename ", "/retry"]
    assert [offer.text for offer in command_offers("cl")] == ["/new"]
    assert command_offers("zz") == []


def test_files_are_found_by_name_before_folder_before_scattered_letters() -> None:
    assert file_offers("total", PATHS) == [
        Offer("@src/invoice/total.py ", "src/invoice/total.py"),
        Offer("@tests/test_total.py ", "tests/test_total.py"),
    ]
    assert file_offers("a b", PATHS) == [Offer('@"docs/a b.md" ', "docs/a b.md")]
    assert [offer.label for offer in file_offers("readme", PATHS)] == ["README.md"]
    assert file_offers("READme", PATHS) == []


def test_skills_are_found_by_their_beginning_before_the_middle() -> None:
    skills = [("pre-review", "b"), ("review", "a\nb\x1b[2J"), ("deploy", "c")]
    assert skill_offers("re", skills) == [Offer("review ", "$review", "a b␛"), Offer("pre-review ", "$pre-review", "b")]
    assert [offer.label for offer in skill_offers("", skills)] == ["$deploy", "$pre-review", "$review"]


def test_no_more_files_are_offered_than_the_limit() -> None:
    assert len(file_offers("f", [f"f{n}" for n in range(1000)])) == OFFERS_LIMIT


def test_history_is_walked_back_to_the_oldest_and_forth_to_the_unsent_text() -> None:
    history = History()
    history.load(["one", "two", "two", " "])
    walked = [history.older("unsent"), history.older(""), history.older(""), history.newer(), history.newer(), history.newer()]
    assert walked == ["two", "one", None, "two", "unsent", None]
