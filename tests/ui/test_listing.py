"""A list of rows one of which is chosen."""

from rich.style import Style
from textual.app import App, ComposeResult

from flowchat.ui.listing import Column, Listing, Row
from flowchat.ui.palette import DARK, Palette


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


async def test_where_ink_and_paper_change_places_the_chosen_row_does_so_from_edge_to_edge() -> None:
    desk = Desk()
    async with desk.run_test(size=(30, 10)) as pilot:
        desk.listing.use(Palette(selected=Style(reverse=True)))
        await pilot.pause()
        swapped = [sum(len(s.text) for s in desk.listing.render_line(y) if s.style and s.style.reverse) for y in range(10)]
        assert swapped == [0, 0, 0, 0, 0, 0, 0, 30, 0, 0]


async def test_the_chosen_row_stays_in_view_when_the_list_gets_lower() -> None:
    desk = Desk()
    async with desk.run_test(size=(30, 10)) as pilot:
        await pilot.resize_terminal(30, 3)
        await pilot.pause()
        assert shown(desk) == ["message 6", "message 7", "▸ message 8"]
