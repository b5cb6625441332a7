"""The composer in an app of its own."""

from typing import Any

import pytest
from textual import events
from textual.app import App, ComposeResult
from textual.geometry import Offset, Region
from textual.pilot import Pilot

from flowchat.ui.completion import Offer
from flowchat.ui.composer import PLACEHOLDER, Composer
from flowchat.ui.palette import DARK


class Desk(App[None]):
    """A composer, and what it posted."""

    def __init__(self) -> None:
        super().__init__()
        self.composer = Composer(DARK)
        self.told: list[Any] = []

    def compose(self) -> ComposeResult:
        yield self.composer

    def on_mount(self) -> None:
        self.composer.focus()

    def on_composer_submitted(self, message: Composer.Submitted) -> None:
        self.told.append(message.text)

    def on_composer_offered(self, message: Composer.Offered) -> None:
        self.told.append([offer.label for offer in message.offers])

    def on_composer_files_wanted(self, message: Composer.FilesWanted) -> None:
        self.told.append(f"files like {message.query!r}")

    def on_composer_completing(self, message: Composer.Completing) -> None:
        self.told.append("submits" if message.submits else "completes")


def rows(desk: Desk) -> list[str]:
    composer = desk.composer
    return [strip.text.rstrip() for strip in composer.render_lines(Region(0, 0, *composer.size))]


async def paste(pilot: Pilot[None], desk: Desk, text: str) -> None:
    desk.composer.post_message(events.Paste(text))
    await pilot.pause()


async def test_an_empty_composer_says_what_may_be_written() -> None:
    for width, text in ((80, PLACEHOLDER), (40, "Write a message, @file, /command"), (20, "Write a message")):
        desk = Desk()
        async with desk.run_test(size=(width, 12)):
            assert (rows(desk), desk.composer.caret) == ([f"  {text}"], Offset(2, 0))


async def test_enter_gives_the_text_away_once_and_history_has_it() -> None:
    desk = Desk()
    async with desk.run_test(size=(40, 12)) as pilot:
        await pilot.press(*"hello", "enter", "enter")
        assert (desk.told, desk.composer.text) == (["hello"], "")
        await pilot.press("up")
        assert desk.composer.text == "hello"


async def test_a_backslash_before_enter_is_a_newline() -> None:
    desk = Desk()
    async with desk.run_test(size=(40, 12)) as pilot:
        await pilot.press("a", "backslash", "enter", "b")
        assert (desk.composer.text, desk.told) == ("a\nb", [])


async def test_a_folded_paste_is_drawn_short_edited_as_one_and_sent_whole() -> None:
    desk, text = Desk(), "line\n" * 1_233 + "end"
    async with desk.run_test(size=(40, 12)) as pilot:
        await pilot.press("a", "space")
        await paste(pilot, desk, text)
        assert (rows(desk), desk.composer.caret) == (["  a [pasted 1,234 lines]"], Offset(24, 0))
        await pilot.press("space", "b")
        assert desk.composer.text == f"a {text} b"
        await pilot.press("left", "left", "left")
        assert desk.composer.caret == Offset(4, 0)
        await pilot.press("right", "backspace")
        assert rows(desk) == ["  a  b"]
        await pilot.press("ctrl+underscore", "enter")
        assert (desk.told, desk.composer.text) == ([f"a {text} b"], "")
        await pilot.press("up")
        assert (rows(desk), desk.composer.text) == (["  a [pasted 1,234 lines] b"], f"a {text} b")


async def test_a_text_cleared_by_a_slip_comes_back_by_undo_and_from_the_history() -> None:
    desk = Desk()
    async with desk.run_test(size=(40, 12)) as pilot:
        await pilot.press(*"slip")
        desk.composer.clear()
        await pilot.press("ctrl+underscore")
        assert desk.composer.text == "slip"
        desk.composer.clear()
        await pilot.press("up")
        assert desk.composer.text == "slip"


@pytest.mark.parametrize(
    "text", ["line of text\n" * 77_000, "x" * 1_000_000, "漢字" * 500_000], ids=["lines", "one line", "wide"]
)
async def test_a_megabyte_pasted_is_equal_never_sent_and_when_opened_shown_to_its_end(text: str) -> None:
    desk = Desk()
    async with desk.run_test(size=(40, 12)) as pilot:
        desk.composer.limit_rows(4)
        await paste(pilot, desk, text)
        assert rows(desk)[0].startswith("  [pasted ")
        await pilot.press("ctrl+o")
        assert desk.composer.text == text
        assert desk.told == []
        assert desk.composer.size.height == 4
        caret = desk.composer.caret
        assert caret is not None
        assert caret.y == 3


async def test_it_grows_to_its_limit_and_keeps_the_caret_in_view() -> None:
    desk = Desk()
    async with desk.run_test(size=(24, 12)) as pilot:
        desk.composer.limit_rows(3)
        await paste(pilot, desk, "one\ntwo words that wrap around\nfour")
        assert (rows(desk), desk.composer.caret) == (["  two words that wrap", "  around", "  four"], Offset(6, 2))
        await pilot.press("ctrl+home")
        assert (rows(desk), desk.composer.caret) == (["  one", "  two words that wrap", "  around"], Offset(2, 0))
        await pilot.press("down", "down", "down")
        assert (rows(desk), desk.composer.caret) == (["  two words that wrap", "  around", "  four"], Offset(2, 2))


async def test_what_would_act_on_the_terminal_is_drawn_as_a_sign_and_kept_in_the_text() -> None:
    desk = Desk()
    text = "a\x1b]52;c;x\x07\u202e\tb"
    async with desk.run_test(size=(40, 12)) as pilot:
        await paste(pilot, desk, text)
        assert rows(desk) == ["  a␛]52;c;x␇␦    b"]
        assert desk.composer.text == text


async def test_up_on_the_first_line_and_down_on_the_last_walk_the_history() -> None:
    desk = Desk()
    async with desk.run_test(size=(40, 12)) as pilot:
        desk.composer.remember(["one", "two\nlines"])
        await pilot.press(*"new", "up")
        assert desk.composer.text == "two\nlines"
        await pilot.press("up")
        assert desk.composer.text == "one"
        await pilot.press("down", "down", "down")
        assert desk.composer.text == "new"


async def test_a_slash_offers_commands_and_what_is_typed_narrows_them() -> None:
    desk = Desk()
    async with desk.run_test(size=(40, 12)) as pilot:
        await pilot.press(*"/re")
        assert desk.told[-1] == ["/resume [id or title]", "/rename TITLE", "/retry"]
        await pilot.press("enter")
        assert desk.told[-1] == "submits"
        assert desk.composer.dismiss()
        await pilot.press("n")
        assert desk.told[-1] == []


async def test_a_file_offer_takes_the_place_of_the_word() -> None:
    desk = Desk()
    async with desk.run_test(size=(40, 12)) as pilot:
        await pilot.press(*"see @to now")
        for _ in range(4):
            await pilot.press("left")
        assert desk.told[-1] == "files like 'to'"
        desk.composer.offer("to", [Offer("@src/total.py ", "src/total.py")])
        await pilot.press("tab")
        assert desk.told[-2:] == [["src/total.py"], "completes"]
        desk.composer.take(Offer("@src/total.py ", "src/total.py"))
        assert desk.composer.text == "see @src/total.py  now"


async def test_late_offers_for_another_word_are_ignored() -> None:
    desk = Desk()
    async with desk.run_test(size=(40, 12)) as pilot:
        await pilot.press(*"@tot")
        desk.composer.offer("to", [Offer("@x ", "x")])
        await pilot.pause()
        assert desk.told[-1] == "files like 'tot'"
