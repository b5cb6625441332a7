"""Which lines recall finds first: those that hold the telling words together, however they are written."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowchat.tools.passages import LINE_CHARS, LINES_OF_AN_ENTRY, SLAB_CHARS
from flowchat.tools.ranking import NEXT_BEST
from tests.tools.shelf import AT, Shelf, said

FACT = "The staging server listens at port 8443."
README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")[:15_000]


@pytest.mark.parametrize(
    "query",
    [
        "what is the port of the staging server",
        "on which port does the staging server listen?",
        "Tell me where the staging server's listening, please: the port of it",
        "staging server port",
        "the `port` of the “staging” **server**…",
    ],
)
@pytest.mark.parametrize("first", [True, False])
async def test_a_line_that_holds_the_telling_words_comes_before_a_long_text_that_holds_them_all_apart(
    query: str, first: bool
) -> None:
    apart = f"{README}\n" + "\n\n\n\n".join(query.split())
    texts = [said(10, FACT), said(20, apart, "answer to read_file")]
    shelf = Shelf(*(texts if first else (said(10, apart, "answer to read_file"), said(20, FACT))))
    lines = await shelf.lines(query=query)
    assert lines[1:3] == [f"[{10 if first else 20}] user, {AT}", f"  {FACT}"]


async def test_a_line_that_holds_the_telling_words_comes_before_a_line_without_end_that_holds_them_apart() -> None:
    apart = (" " + "x " * 300).join(["what", "port", "staging", "server", "8443", "listens"])
    lines = await Shelf(apart, FACT, apart).lines(query="what port is it where the staging server listens")
    assert lines[1:3] == [f"[20] user, {AT}", f"  {FACT}"]
    beginning = "port of staging: " + "x " * 200
    lines = await Shelf(f"{beginning} staging {'x ' * 300} port").lines(query="staging port")
    assert lines[2].startswith("  port of staging: x x")


async def test_a_rare_word_weighs_more_than_common_ones_of_the_session_and_those_of_the_language_nearly_nothing() -> None:
    usual = [f"build {number} of the server is done, what is the next step of it?" for number in range(30)]
    shelf = Shelf(*usual, "The zeppelin was restarted.", *usual)
    lines = await shelf.lines(query="what is the server build of the zeppelin")
    assert lines[1:3] == [f"[310] user, {AT}", "  The zeppelin was restarted."]
    assert (await shelf.recall(query="is it what it is?")).summary == "60 lines in 60 entries"
    assert (await shelf.recall(query="what is the dirigible")).summary == "nothing found"


@pytest.mark.parametrize(
    ("query", "order"),
    [
        ("listen", ["we listen", "it listens", "they listened", "listening now"]),
        ("listens", ["it listens", "we listen", "they listened", "listening now"]),
        ("entry", ["an entry", "all entries"]),
        ("caches", ["it caches", "a cache", "caching", "is cached"]),
        ("bus", ["the bus", "busy"]),
        ("string", ["a string"]),
    ],
)
async def test_a_word_comes_before_its_other_forms_and_those_before_words_that_only_hold_it(query: str, order: list[str]) -> None:
    others = ["no rest", "the glistening bustle", "strangest", "unlistenable cachet"]
    found = [line[2:] for line in await Shelf(*others, *reversed(order)).lines(query=query) if line.startswith("  ")]
    if query == "bus":
        assert found == ["the bus"]
    else:
        assert (found[0], sorted(found)) == (order[0], sorted(order))


async def test_words_on_neighbouring_lines_come_before_words_further_apart_and_after_those_on_one() -> None:
    one, near, apart = "port of staging", "Staging:\n- user deploy\n- port 8443", "staging\n\n\n\n\n\n\nport"
    lines = await Shelf(apart, one, apart, near, apart, "port").lines(query="staging port")
    assert [line for line in lines if line.startswith("[")][1:3] == [f"[20] user, {AT}", f"[40] user, {AT}"]
    assert lines[4:6] == ["  Staging:", "  - port 8443"]


async def test_the_best_are_shown_first_some_that_hold_less_behind_them_and_the_rest_is_counted() -> None:
    shelf = Shelf(*(f"alpha beta {number}" for number in range(20)), "gamma of alpha beta", *(["gamma"] * 20), "nothing")
    lines = await shelf.lines(query="what is the gamma of alpha and beta")
    found = f"{NEXT_BEST} lines in {NEXT_BEST} entries"
    assert lines[0] == f"[{found} out of view, the best first, the first of them with 4 of the 8 words]"
    assert lines[1:3] == [f"[210] user, {AT}", "  gamma of alpha beta"]
    assert lines[3:-1:2] == [f"[{seq}] user, {AT}" for seq in range(120, 210, 10)]
    assert lines[-1].startswith(f"[{20 + 1 + 20 - NEXT_BEST} other entries hold some of it, no more than these; ")
    few = await shelf.lines(query="what is the gamma of alpha and beta", limit=2)
    assert few[0].endswith("; these are the best; the same query with from 120 begins with the oldest]")
    assert few[1:5] == [*lines[1:3], f"[200] user, {AT}", "  alpha beta 19"]
    later = await shelf.lines(query="what is the gamma of alpha and beta", start=150, limit=2)
    assert later[0] == "[7 lines in 7 entries out of view, the best of them with 4 of the 8 words]"
    assert later[1:5:2] == [f"[{seq}] user, {AT}" for seq in (150, 160)]
    assert "more: the same query with from 170" in later[-1]


async def test_of_a_sentence_of_many_words_a_few_that_hold_a_third_of_them_are_shown() -> None:
    most = "the user may choose a port for each deployment: see the deployment of the user"
    shelf = Shelf("staging runs at 8443", said(20, most, "answer to read_file"), "nothing of it")
    query = "Which port did the user choose for the staging deployment yesterday evening?"
    assert [line for line in await shelf.lines(query=query) if line.startswith("  ")] == [f"  {most}", "  staging runs at 8443"]


async def test_what_was_read_over_and_over_takes_the_place_of_one() -> None:
    again = [
        said(seq, "the port of the staging server: see the wiki\nmore", "answer to read_file") for seq in range(20, 2_000, 10)
    ]
    shelf = Shelf("staging server: answers at 8443", *again, said(2_000, "see the wiki: the port of the staging server"))
    shelf.passages.append(said(2_010, "the port of the staging server: see the wiki\nless", "answer to read_file"))
    lines = await shelf.lines(query="what port has the staging server")
    assert lines[:3] == [
        "[3 lines in 3 entries out of view, the best first, the first of them with 4 of the 6 words]",
        f"[2000] user, {AT}",
        "  see the wiki: the port of the staging server",
    ]
    assert lines[3:-1] == [
        f"[2010] answer to read_file, {AT}",
        "  the port of the staging server: see the wiki",
        f"  [the same in {len(again)} other entries]",
        f"[10] user, {AT}",
        "  staging server: answers at 8443",
    ]
    assert lines[-1].startswith("[from ")


async def test_of_those_with_the_same_lines_the_one_stands_for_all_that_fits_best() -> None:
    line = "the port of the staging server: see the wiki"
    shelf = Shelf(
        said(10, f"{line}\n\n\n\n\nproduction\nblue", "answer to read_file"), said(20, f"{line}\nblue", "answer to read_file")
    )
    lines = await shelf.lines(query="port of the blue staging server in production")
    assert [line for line in lines if line.startswith("[20")] == [f"[20] answer to read_file, {AT}"]


async def test_of_one_entry_the_best_lines_are_shown_in_the_order_they_stand_in() -> None:
    text = "\n".join(f"locker {number} of row {number // 10}: key K-{number:05}" for number in range(500))
    lines = await Shelf(text).lines(query="key of locker 377")
    [shown] = [line for line in lines if "K-00377" in line]
    assert int(shown[8:].partition(")")[0]) == text.index("locker 377 ")
    assert len([line for line in lines if "K-00" in line]) <= LINES_OF_AN_ENTRY


async def test_of_long_outputs_those_that_can_be_no_better_are_not_read_a_second_time() -> None:
    shelf, read = Shelf(), list[str]()
    kept = [shelf.keep(f"output {number} of the server\n" * 50) for number in range(40)]
    kept.append(shelf.keep("the zeppelin of the server"))
    shelf.passages = [said(seq, "", "answer to shell", why="cut", kept=(blob,), in_part=True) for seq, blob in enumerate(kept, 1)]
    blob_of = shelf.blob

    async def counted(sha256: str) -> bytes | None:
        read.append(sha256)
        return await blob_of(sha256)

    shelf.blob = counted
    assert (await shelf.lines(query="the zeppelin server"))[1:3] == [
        f"[41] answer to shell, {AT}, shown in part", "  the zeppelin of the server",
    ]  # fmt: skip
    assert len(read) < 2 * len(kept)


@given(
    st.lists(st.lists(st.sampled_from(["alpha", "betas", "of", "the", "\n"]), min_size=1, max_size=9), min_size=1, max_size=30)
)
@settings(deadline=None, max_examples=50)
async def test_what_holds_all_words_together_is_always_first(texts: list[list[str]]) -> None:
    shelf = Shelf(*(" ".join(words) for words in texts), "the alpha of beta", *(" ".join(words) for words in texts))
    lines = await shelf.lines(query="alpha beta of the")
    assert lines[1:3] == [f"[{10 * len(texts) + 10}] user, {AT}", "  the alpha of beta"]
    assert lines == await shelf.lines(query="alpha beta of the")


# --- letters ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("the e\u0301clair", "\u00e9clair"),
        ("the \u00e9clair", "e\u0301clair"),
        ("a path of \u0130stanbul", "istanbul"),
        ("istanbul", "\u0130STANBUL"),
        ("die Straße", "STRASSE"),
        ("Ｆｕｌｌ width", "full"),
        ("the of\ufb01ce", "office"),
        ("\u1112\u1161\u11ab\u1100\u1173\u11af", "한글"),
        ("カ\u3099ラス", "ガラス"),
    ],
)
async def test_letters_are_found_however_they_are_put_together(text: str, query: str) -> None:
    shelf = Shelf(text, f"{text} {'x' * 400}", "nothing of it")
    assert (await shelf.recall(query=query)).summary == "2 lines in 2 entries"
    assert (await shelf.recall(query=f'"{query}"')).summary == "2 lines in 2 entries"


@given(st.text(st.sampled_from("ßİ\u0301e\u0130\ufb03한\u1100\u1161 \n\x85x"), max_size=80), st.integers(1, 60))
@settings(deadline=None, max_examples=200)
async def test_where_folding_changes_lengths_what_is_found_is_shown_and_read_on_from_its_place(text: str, times: int) -> None:
    text = f"{text * times} needle {text * times}"
    [shown] = [line for line in await Shelf(text).lines(query="NEEDLE") if "needle" in line]
    if shown.startswith("  (skip "):
        assert 0 <= text.index("needle") - int(shown[8:].partition(")")[0]) < LINE_CHARS


@pytest.mark.parametrize("between", [" ", "  ", "\n", "\r\n", "\t", "\u00a0", " \n\n  "])
async def test_a_phrase_is_found_with_any_white_space_between_its_words(between: str) -> None:
    shelf = Shelf(f"port of the staging{between}server now", "staging of a server", "the stagingserver")
    outcome = await shelf.recall(query='"staging server"')
    assert outcome.content.split("\n")[1] == f"[10] user, {AT}"
    assert outcome.summary in ("1 line in 1 entry", "2 lines in 1 entry")
    for query in (f'"staging{between}server"', '"staging serve"', '"taging  server" port'):
        assert (await shelf.lines(query=query))[1:3] == outcome.content.split("\n")[1:3]


async def test_a_phrase_is_found_where_one_part_of_a_long_text_ends_and_the_next_begins() -> None:
    line = "filler of no interest\n"
    text = line * ((SLAB_CHARS - 1) // len(line)) + "the staging\nserver at last\n" + line * 100
    for before in range(0, 2 * len(line), 3):
        lines = await Shelf("x" * before + text).lines(query='"staging server"')
        assert [line.rpartition(") ")[2] for line in lines[2:4]] == ["the staging", "server at last"]


@pytest.mark.parametrize("shift", range(-8, 1))
async def test_a_word_across_the_border_of_a_part_of_a_long_line_is_found(shift: int) -> None:
    at = SLAB_CHARS + shift
    shelf = Shelf("x" * (at - 1) + " needle " + "y" * 500, "nothing")
    assert (await shelf.recall(query="needle")).summary == "1 line in 1 entry"
