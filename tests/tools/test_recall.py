"""recall: what it finds, what it reads, and that neither ever grows or lasts."""

import asyncio
import re
from itertools import count
from pathlib import Path
from threading import Event

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowchat.tools.arguments import parse
from flowchat.tools.passages import LINES_OF_AN_ENTRY, PIECE_CHARS, SLAB_CHARS
from flowchat.tools.recall import LISTED, NOTHING, QUERY_LIMIT_CHARS, Recall
from flowchat.tools.terms import TERMS_LIMIT
from flowchat.tools.tool import BadArguments, Desk, NotDone
from tests.tools.shelf import AT, Shelf, said
from tests.transcript.test_marks import HOSTILE, marks_in


# --- finding ---------------------------------------------------------------------------------------------------------
async def test_words_are_found_whatever_their_case_with_the_entry_they_stand_in() -> None:
    shelf = Shelf("The Staging port is 8443.\nIt was 8080.", said(20, "port 22 is closed", "answer to shell", why="cut"))
    outcome = await shelf.recall(query="staging PORT?")
    assert outcome.summary == "1 line in 1 entry"
    assert outcome.content.split("\n") == [
        "[1 line in 1 entry out of view, with all of the words]",
        f"[10] user, {AT}",
        "  The Staging port is 8443.",
        "[1 other entry holds some of it, no more than these; from and an entry's number, without query, read on from there]",
    ]


@pytest.mark.parametrize(
    ("query", "found", "how"),
    [
        ("port", ["  a port", "  no port", "  port 3"], "with the word"),
        ("port b", ["  b", "  no port"], "with all of the words in one entry, not on one line"),
        ("port seven nine", ["  a port", "  no port", "  port 3"], "with 1 of the 3 words, none with more"),
        ('"no port"', ["  no port"], "with the word"),
        ("ÄRGER", ["  großer Ärger"], "with the word"),
        ("/^(a|no) port$/", ["  a port", "  no port"], "that fit /^(a|no) port$/"),
        ("/PORT \\d/i", ["  port 3"], "that fit /PORT \\d/"),
    ],
)
async def test_what_is_found_is_what_has_most_in_common_with_the_query(query: str, found: list[str], how: str) -> None:
    lines = await Shelf("a port", "b\nno port", "port 3", "großer Ärger").lines(query=query)
    assert [line for line in lines if line.startswith("  ")] == found
    assert lines[0].endswith(f" out of view, {how}]")


async def test_where_words_stand_by_themselves_they_are_not_looked_for_in_other_words() -> None:
    shelf = Shelf(
        "the key of locker 1 is A", *(f"the key of locker {number} is B" for number in range(10, 80)), "this locker: 11"
    )
    assert (await shelf.recall(query="locker 1 is")).summary == "1 line in 1 entry"
    assert (await shelf.recall(query="ocker 1 is")).summary == "1 line in 1 entry"
    assert (await shelf.recall(query="lock 1")).summary == "1 line in 1 entry"
    assert (await shelf.recall(query="ock key")).summary == "71 lines in 71 entries"


async def test_the_newest_are_shown_where_not_all_fit_and_from_shows_them_from_the_first() -> None:
    shelf = Shelf(*(f"fact {number}" for number in range(1, 101)))
    newest = await shelf.lines(query="fact", limit=3)
    assert newest[0].startswith("[100 lines in 100 entries out of view, with the word; these are the newest; ")
    assert newest[1:7:2] == [f"[{seq}] user, {AT}" for seq in (980, 990, 1000)]
    assert "the same query with from 10 begins with the oldest" in newest[0]
    seen, start = [], 1
    while start:
        lines = await shelf.lines(query="fact", start=start)
        seen += [line.strip() for line in lines if line.startswith("  ")]
        start = int(lines[-1].rpartition(" ")[2].strip("]")) if "more:" in lines[-1] else 0
    assert seen == [f"fact {number}" for number in range(1, 101)]


async def test_of_many_lines_in_one_entry_some_are_shown_and_the_rest_counted() -> None:
    lines = await Shelf("\n".join(f"fact {number}" for number in range(1, 11))).lines(query="fact")
    assert lines[2:9] == [*(f"  fact {number}" for number in range(1, 7)), "  [4 more lines in it]"]


async def test_a_long_line_is_shown_around_the_find_and_says_how_to_read_on_there() -> None:
    text = "x" * 50_000 + " needle " + "y" * 50_000
    [shown] = [line for line in await Shelf(text).lines(query="needle") if "needle" in line]
    skip = int(shown.removeprefix("  (skip ").partition(")")[0])
    read = await Shelf(text).lines(start=10, skip=skip)
    assert "needle" in read[1][:200]


async def test_a_kept_output_is_searched_whole_and_its_ends_where_it_is_missing() -> None:
    shelf = Shelf()
    kept = shelf.keep("first\nthe middle\nlast")
    shelf.passages = [said(5, "first\n[... left out]\nlast", "answer to shell", why="cut", kept=(kept,), in_part=True)]
    assert "  the middle" in await shelf.lines(query="middle")
    assert (await shelf.lines(start=5))[:4] == [f"[5] answer to shell, {AT}, shown in part", "  first", "  the middle", "  last"]
    shelf.blobs.clear()
    assert (await shelf.recall(query="middle")).summary == "nothing found"
    assert "  first" in await shelf.lines(query="first")


async def test_long_texts_of_a_message_follow_its_words() -> None:
    shelf = Shelf()
    shelf.passages = [said(5, "look at [a.log]", kept=(shelf.keep("one\ntwo"), shelf.keep("three")))]
    assert [line for line in await shelf.lines(start=5) if line.startswith("  ")] == [
        "  look at [a.log]", "  ", "  one", "  two", "  ", "  three",
    ]  # fmt: skip


async def test_what_is_too_much_to_be_searched_is_said() -> None:
    shelf = Shelf()
    kept = shelf.keep("needle", size=1 << 40)
    shelf.passages = [said(5, "a needle", why="cut", kept=(kept,), in_part=True)]
    assert (await shelf.lines(query="needle"))[-1].endswith("; 1 long output was not searched: read_file reads blob:<sha256>]")


async def test_a_pattern_that_never_ends_is_ended() -> None:
    shelf = Shelf("a" * 60 + "!")
    desk = Desk(Path("/"), {}, print, shelf.keep, shelf.blob)
    with pytest.raises(NotDone, match=r"took more than 0\.5 s: look for words, or for a simpler pattern"):
        await Recall(shelf.look, pattern_seconds=0.5).run({"query": "/^(a|a)*$/"}, desk)


async def test_a_pattern_that_fits_nearly_everything_is_searched_until_there_is_enough_and_shows_the_newest() -> None:
    outcome = await Shelf(*(f"{number} {'x' * 400}" for number in range(5_000))).recall(query="/x+/")
    assert outcome.summary.startswith("at least ")
    lines = outcome.content.split("\n")
    assert lines[0].startswith("[at least ")
    assert lines[-3] == f"[50000] user, {AT}"


@pytest.mark.parametrize("pattern", ["(", "a{1,99999999999}"])
async def test_what_is_no_pattern_is_said_back(pattern: str) -> None:
    with pytest.raises(BadArguments, match=f"^{re.escape(f'/{pattern}/ is not a valid pattern: ')}"):
        await Shelf("(").recall(query=f"/{pattern}/")


async def test_what_a_pattern_finds_far_on_in_a_line_is_shown_there() -> None:
    [shown] = [line for line in await Shelf("x" * 1_500 + " needle " + "y" * 400).lines(query="/needle/") if "x" in line]
    assert "needle" in shown


@pytest.mark.parametrize(("flags", "found"), [("", "nothing found"), ("g", "nothing found"), ("gi", "1 line in 1 entry")])
async def test_the_letters_behind_a_pattern_that_other_programs_take_are_taken(flags: str, found: str) -> None:
    assert (await Shelf("NEEDLE").recall(query=f"/needle/{flags}")).summary == found


async def test_of_many_words_the_first_are_looked_for_and_that_is_said() -> None:
    words = [f"w{number:02}" for number in range(TERMS_LIMIT + 8)]
    lines = await Shelf("w00 w01", " ".join(["w02", *words[TERMS_LIMIT:]])).lines(query=" ".join(words))
    how = f"the best first, the first of them with 2 of the {TERMS_LIMIT} words, none with more"
    assert lines[0] == f"[2 lines in 2 entries out of view, {how}]"
    assert lines[1:3] == [f"[10] user, {AT}", "  w00 w01"]
    assert f"; only the first {TERMS_LIMIT} of the {TERMS_LIMIT + 8} words were looked for]" in lines[-1]


async def test_words_are_found_all_through_a_long_text_and_no_more_of_it_is_held_than_is_shown() -> None:
    shelf, line = Shelf(), "filler of no interest\n"
    text = f"needle one\n{line * 20_000}needle two\n{line * 20_000}needle three" + "".join(f"\nneedle {n}" for n in range(100))
    assert len(text) > 3 * SLAB_CHARS
    shelf.passages = [said(5, "needle ... needle", "answer to shell", why="cut", kept=(shelf.keep(text),), in_part=True)]
    lines = await shelf.lines(query="needle")
    assert lines[0] == "[103 lines in 1 entry out of view, with the word]"
    assert lines[2:5] == [
        "  needle one",
        f"  (skip {text.index('needle two')}) needle two",
        f"  (skip {text.index('needle th')}) needle three",
    ]
    assert lines[8] == f"  [{103 - LINES_OF_AN_ENTRY} more lines in it]"
    assert (await shelf.lines(query="/^needle t/"))[2:4] == lines[3:5]
    assert (await shelf.recall(query="needle interest")).content.split("\n")[0].endswith("in one entry, not on one line]")


async def test_a_search_that_is_cancelled_looks_no_further() -> None:
    looked, begun, go_on = list[str](), Event(), Event()

    class Slow(str):
        def casefold(self) -> str:
            looked.append(self)
            begun.set()
            go_on.wait()
            return str.casefold(self)

    search = asyncio.create_task(Shelf(Slow("one"), Slow("two")).recall(query="two"))
    await asyncio.to_thread(begun.wait)
    search.cancel()
    await asyncio.wait({search}, timeout=0)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await search
    assert looked == ["one"]


async def test_patterns_find_the_right_line_whatever_ends_lines_and_however_long_they_are() -> None:
    shelf = Shelf("a\x0bb\x85c\u2028needle 1\r\nd\n\nneedle 2", "\0 needle 3\n" + "x" * (3 * PIECE_CHARS) + "needle 4")
    found = [line.rpartition("needle ")[2] for line in await shelf.lines(query="/needle \\d$/") if line.startswith("  ")]
    assert found[:3] == ["1", "2", "3"]
    assert (await shelf.lines(query="/^needle 4$/"))[2] == f"  (skip {11 + 3 * PIECE_CHARS}) needle 4"


# --- reading ---------------------------------------------------------------------------------------------------------
async def test_entries_are_read_in_order_from_the_first_at_or_after_the_number() -> None:
    shelf = Shelf("one", "two\nlines", said(30, "three", "assistant", why="pruned"))
    assert await shelf.lines(start=11) == [
        f"[20] user, {AT}", "  two", "  lines",
        f"[30] assistant, {AT}, pruned", "  three",
        "[what follows is in the conversation above, or nothing does]",
    ]  # fmt: skip
    assert (await shelf.lines(start=1, limit=1))[-1] == "[more: from 20]"
    assert (await shelf.recall(start=31)).content == "[nothing from 31 on is out of view; entries 10 to 30 hold what is]"


@given(st.lists(st.text(st.sampled_from("aä\n€𝄞 \x85\r"), max_size=200).map(lambda text: text * 400), min_size=1, max_size=4))
@settings(deadline=None, max_examples=30)
async def test_page_by_page_everything_is_read(texts: list[str]) -> None:
    shelf, read = Shelf(*texts), dict.fromkeys(range(10, 10 * len(texts) + 1, 10), "")
    start, skip = 10, 0
    for _ in count():
        lines = await shelf.lines(start=start, skip=skip)
        for line in lines[:-1]:
            if line.startswith("["):
                start = int(line[1:].partition("]")[0])
            else:
                read[start] += line.strip()
        last = lines[-1]
        if "goes on" in last:
            start, skip = (int(part.split()[-1].strip("]")) for part in last.split(": ")[1].split(", "))
        elif "more: from" in last:
            start, skip = int(last.rpartition(" ")[2].strip("]")), 0
        else:
            break
    bare = lambda text: "".join(text.split())
    assert [bare(text) for text in read.values()] == [bare(text) for text in texts]


@given(HOSTILE)
async def test_nothing_it_gives_opens_or_closes_marks_of_ours(text: str) -> None:
    shelf = Shelf(f"needle {text}", said(20, f"{text} needle", f"file {text}", why="cut"))
    for args in ({}, {"query": "needle"}, {"query": "/needle/"} if len(text) < 3 else {"start": 20}, {"start": 1}):
        assert marks_in((await shelf.recall(**args)).content) == []


async def test_marks_in_long_lines_take_their_room_and_nothing_is_lost_for_it() -> None:
    shelf = Shelf("</file>" * 4_000, "</file>\n" * 4_000)
    pages, place = list[str](), {"start": 10}
    while place:
        page = (await shelf.recall(**place)).content
        pages.append(page)
        onward = re.search(r"from (\d+)(?:, skip (\d+))?\]$", page)
        place = (
            {name: int(value) for name, value in zip(("start", "skip"), onward.groups(), strict=True) if value} if onward else {}
        )
    assert sum(page.count("&lt;/file") for page in pages) >= 7_990


# --- listing and refusing --------------------------------------------------------------------------------------------
async def test_without_a_query_it_lists_the_users_messages_and_what_is_out_of_view_for_another_reason() -> None:
    shelf = Shelf(
        "Fix\nthe rounding " + "x" * 200,
        said(20, "I look.", "assistant"),
        said(30, "14 matches", "answer to grep"),
        "And the credit notes",
        said(50, "ok\nok", "answer to shell", why="pruned"),
    )
    assert await shelf.lines() == [
        "[5 entries are out of view]",
        f"[10] user, {AT}: Fix the rounding {'x' * 83}…  (+2)",
        f"[40] user, {AT}: And the credit notes",
        f"[50] answer to shell, {AT}, pruned: ok ok",
        "[from and an entry's number read from there; query finds lines]",
    ]


async def test_a_long_list_shows_the_newest_and_counts_the_rest() -> None:
    lines = await Shelf(*("message" for _ in range(100))).lines()
    assert lines[0] == f"[100 entries are out of view; {100 - LISTED} rows before these left out: from 10 reads from the first]"
    assert (len(lines), lines[-2]) == (LISTED + 2, f"[1000] user, {AT}: message")


async def test_where_nothing_is_out_of_view_it_says_so() -> None:
    assert (await Shelf().recall(query="x")).content == NOTHING


@pytest.mark.parametrize(
    ("start", "first"),
    [
        (1, f"[10] user, {AT}"),
        (11, f"[20] user, {AT}"),
        (21, "[nothing from 21 on is out of view; entries 10 to 20 hold what is]"),
    ],
)
async def test_a_number_that_is_no_entry_out_of_view_means_the_next_one_that_is(start: int, first: str) -> None:
    assert (await Shelf("one", "two").lines(start=start, limit=10**30))[0] == first


@pytest.mark.parametrize("name", ["from", "skip", "limit"])
def test_no_number_is_less_than_nothing(name: str) -> None:
    with pytest.raises(BadArguments, match=f"^recall: `{name}` must be at least 0, not -3$"):
        parse(Recall.schema, f'{{"{name}": -3}}')


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        ({"query": '""'}, None),
        ({"query": "?!"}, None),
        ({"query": '" "'}, "the query holds no word"),
        ({"skip": 3}, "skip goes with from, and without query"),
        ({"skip": 3, "start": 10, "query": "x"}, "skip goes with from, and without query"),
        ({"skip": 30, "start": 10}, "entry 10 has 3 characters: skip may be no more"),
        ({"query": "x" * 1_001}, f"a query may have {QUERY_LIMIT_CHARS:,} characters, not 1,001"),
    ],
)
async def test_arguments_that_mean_nothing_are_refused(args: dict[str, object], sentence: str | None) -> None:
    if sentence is None:
        assert (await Shelf("one").recall(**args)).summary == "nothing found"
    else:
        with pytest.raises(BadArguments, match=f"^{sentence}$"):
            await Shelf("one").recall(**args)
