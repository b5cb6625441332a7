"""A list of rows one of which is chosen."""

from textual.app import App, ComposeResult

from flowchat.ui.listing import Column, Listing, Row
from flowchat.ui.palette import DARK


class Desk(App[None]):
    """A list that fills the screen and is told its rows, the last one chosen, before it has a size."""

    CSS = "Listing { height: 1fr; }"

    def compose(self) -> ComposeResult:
        self.listing = Listing(DARK, (Column("text"),))
        self.listing.show([Row(n, (f"message {n}",)) for n in range(1, 9)], chosen=7)
        yield self.listing


def shown(desk: Desk) -> list[str]:
    return [desk.listing.render_line(y).text.strip() for y in range(desk.size.height)]


async def test_a_list_that_opens_on_its_last_row_shows_as_many_as_fit_above_it() -> None:
    desk = Desk()
    async with desk.run_test(size=(30, 10)) as pilot:
        await pilot.pause()
        assert shown(desk) == [*(f"message {n}" for n in range(1, 8)), "▸ message 8", "", ""]


async def test_the_chosen_row_stays_in_view_when_the_list_gets_lower() -> None:
    desk = Desk()
    async with desk.run_test(size=(30, 10)) as pilot:
        await pilot.resize_terminal(30, 3)
        await pilot.pause()
        assert shown(desk) == ["message 6", "message 7", "▸ message 8"]
