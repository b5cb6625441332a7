"""Choosing the colours: what is seen behind, what is kept, and what the terminal and the user's files have to say."""

from pathlib import Path
from typing import Any

from rich.style import Style
from textual.events import MouseScrollDown
from textual.geometry import Region
from textual.pilot import Pilot

from flowchat.agent.clock import SystemClock
from flowchat.config import Settings, read_settings
from flowchat.model.scripted import ScriptedModel, says, waits
from flowchat.ui.app import FlowchatApp
from flowchat.ui.colours import Colours
from flowchat.ui.composer import Composer
from flowchat.ui.edge import Edge
from flowchat.ui.intake import GroundTold
from flowchat.ui.listing import Listing
from flowchat.ui.palette import Palette
from flowchat.ui.theme_screen import ThemeScreen
from flowchat.ui.themes import read_theme, theme_files
from tests.pictures.drawing import screen_segments
from tests.staging import FACTS, app_on, folders_at, until, workspace_at

FILES = theme_files()


class Stage:
    """The app with its looks to be seen."""

    def __init__(self, folder: Path, theme: str = "neutral", colours: Colours | None = None) -> None:
        self.model = ScriptedModel(facts=FACTS)
        self.workspace = workspace_at(folder, self.model, SystemClock(), Settings(theme=theme))
        self.app: FlowchatApp = app_on(self.workspace, colours=colours or Colours())
        self.config = folders_at(folder).settings_file

    async def begin(self, pilot: Pilot[Any]) -> None:
        await until(self.app, pilot, lambda: self.app.chat.session is not None)

    async def enter(self, pilot: Pilot[Any], text: str) -> None:
        self.app.chat.query_one(Composer).load(text)
        await pilot.press("enter")

    async def open(self, pilot: Pilot[Any]) -> list[str]:
        """Open the picker; the names in it."""
        await self.enter(pilot, "/theme")
        await until(self.app, pilot, lambda: isinstance(self.app.screen, ThemeScreen))
        await until(self.app, pilot, lambda: self.listing.rows != ())
        return [row.cells[0] for row in self.listing.rows]

    @property
    def listing(self) -> Listing:
        return self.app.screen.query_one(Listing)

    @property
    def chosen(self) -> str:
        assert self.listing.chosen is not None
        return self.listing.chosen.cells[0]

    @property
    def text(self) -> Style:
        """How what is written in the composer looks."""
        composer = self.app.chat.query_one(Composer)
        [strip] = composer.render_lines(Region(0, 0, composer.size.width, 1))
        return next(segment.style or Style.null() for segment in strip if segment.text.strip())

    @property
    def edge(self) -> str:
        return self.app.chat.query(Edge).first().render_line(0).text


def rows_shown(app: FlowchatApp) -> str:
    return "\n".join("".join(segment.text for segment in row) for row in screen_segments(app))


def inks_shown(app: FlowchatApp) -> set[str]:
    """The colours of all that is on the screen."""
    inks = (segment.style.color for row in screen_segments(app) for segment in row if segment.style and segment.text.strip())
    return {colour.name for colour in inks if colour is not None}


def dim_of(name: str) -> Style:
    """How a blank composer looks in a theme."""
    return read_theme(name, FILES).styles["dim"]


async def test_walking_shows_a_theme_on_the_screen_and_enter_keeps_it(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    async with stage.app.run_test(size=(80, 24)) as pilot:
        await stage.begin(pilot)
        assert await stage.open(pilot) == [
            "neutral",
            "dark",
            "light",
            "warm",
            "warm-dark",
            "warm-light",
            "contrast",
            "contrast-dark",
            "contrast-light",
            "colour-blind",
            "colour-blind-dark",
            "colour-blind-light",
            "ansi",
            "ansi-dark",
            "ansi-light",
        ]
        seen = [(stage.chosen, stage.text)]
        for _ in range(5):
            await pilot.press("down")
            seen.append((stage.chosen, stage.text))
        shown = ["dark", "dark", "light", "warm-dark", "warm-dark", "warm-light"]
        names = ["neutral", "dark", "light", "warm", "warm-dark", "warm-light"]
        assert seen == [(name, dim_of(theme)) for name, theme in zip(names, shown, strict=True)]
        assert not stage.config.exists()
        await pilot.press("enter")
        await until(stage.app, pilot, lambda: "The theme is warm-light from now on" in stage.edge)
        assert stage.text == dim_of("warm-light")
        assert read_settings(stage.config) == (Settings(theme="warm-light"), ())
        await stage.app.close_session()


async def test_escape_puts_back_what_was_shown(tmp_path: Path) -> None:
    stage = Stage(tmp_path, theme="warm")
    async with stage.app.run_test(size=(80, 24)) as pilot:
        await stage.begin(pilot)
        await stage.open(pilot)
        assert stage.chosen == "warm"
        await pilot.press("end", "escape")
        await until(stage.app, pilot, lambda: not isinstance(stage.app.screen, ThemeScreen))
        assert stage.text == dim_of("warm-dark")
        assert not stage.config.exists()
        await stage.app.close_session()


async def test_a_theme_named_is_shown_and_kept_and_one_that_is_not_there_changes_nothing(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    async with stage.app.run_test(size=(80, 24)) as pilot:
        await stage.begin(pilot)
        await stage.enter(pilot, "/theme zz")
        await until(stage.app, pilot, lambda: "there is no theme 'zz'" in stage.edge)
        composer = stage.app.chat.query_one(Composer)
        assert composer.text == "/theme zz"
        assert not stage.config.exists()
        await stage.enter(pilot, "/theme contrast-light")
        await until(stage.app, pilot, lambda: "The theme is contrast-light" in stage.edge)
        assert stage.text == dim_of("contrast-light")
        assert read_settings(stage.config)[0].theme == "contrast-light"
        await stage.app.close_session()


async def test_where_a_theme_cannot_be_kept_it_is_shown_all_the_same(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.config.parent.mkdir(parents=True, exist_ok=True)
    stage.config.write_text("theme = \n")
    async with stage.app.run_test(size=(160, 24)) as pilot:
        await stage.begin(pilot)
        await stage.enter(pilot, "/theme light")
        await until(stage.app, pilot, lambda: "light is shown until you leave: " in stage.edge)
        assert stage.text == dim_of("light")
        assert stage.config.read_text() == "theme = \n"
        await stage.app.close_session()


async def test_a_click_keeps_a_theme(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    async with stage.app.run_test(size=(80, 24)) as pilot:
        await stage.begin(pilot)
        await stage.open(pilot)
        await pilot.click(Listing, offset=(4, 2))
        await until(stage.app, pilot, lambda: stage.config.exists())
        await until(stage.app, pilot, lambda: stage.text == dim_of("light"))
        await stage.app.close_session()


async def test_the_wheel_shows_what_it_comes_to(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    async with stage.app.run_test(size=(80, 24)) as pilot:
        await stage.begin(pilot)
        await stage.open(pilot)
        for _ in range(2):
            stage.listing.post_message(MouseScrollDown(stage.listing, 1, 1, 0, 0, 0, False, False, False))
        await until(stage.app, pilot, lambda: stage.chosen == "light" and stage.text == dim_of("light"))
        await stage.app.close_session()


async def test_what_arrives_while_the_list_is_open_is_seen_behind_it(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    hold = waits("The rounding happens", says(" per line."))
    stage.model.then(hold)
    async with stage.app.run_test(size=(80, 24)) as pilot:
        await stage.begin(pilot)
        await stage.enter(pilot, "Why?")
        await hold.reached.wait()
        await stage.open(pilot)
        await pilot.press("down")
        hold.gate.set()
        await until(stage.app, pilot, lambda: "The rounding happens per line." in rows_shown(stage.app))
        assert "Enter keep" in rows_shown(stage.app)
        await stage.app.close_session()


# --- the terminal ----------------------------------------------------------------------------------------------------
async def test_what_the_terminal_says_of_its_background_picks_one_of_a_family(tmp_path: Path) -> None:
    stage = Stage(tmp_path, theme="warm")
    async with stage.app.run_test(size=(80, 24)) as pilot:
        await stage.begin(pilot)
        assert stage.text == dim_of("warm-dark")
        stage.app.post_message(GroundTold("light"))
        await until(stage.app, pilot, lambda: stage.text == dim_of("warm-light"))
        await stage.app.close_session()


async def test_a_screen_that_is_open_when_the_terminal_says_it_is_drawn_again(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    async with stage.app.run_test(size=(80, 24)) as pilot:
        await stage.begin(pilot)
        await stage.enter(pilot, "/context")
        await until(stage.app, pilot, lambda: "Esc close" in rows_shown(stage.app))
        before = inks_shown(stage.app)
        stage.app.post_message(GroundTold("light"))
        await until(stage.app, pilot, lambda: inks_shown(stage.app) != before)
        light, dark = (read_theme(name, FILES).styles for name in ("light", "dark"))
        assert {str(dark["text"]), str(dark["dim"])} <= before
        assert {str(light["text"]), str(light["dim"])} <= inks_shown(stage.app)
        assert inks_shown(stage.app) & before == set()
        await stage.app.close_session()


async def test_a_theme_that_is_set_stays_whatever_the_background_until_a_family_is_chosen(tmp_path: Path) -> None:
    stage = Stage(tmp_path, theme="warm-dark")
    async with stage.app.run_test(size=(80, 24)) as pilot:
        await stage.begin(pilot)
        stage.app.post_message(GroundTold("light"))
        await pilot.pause()
        assert stage.text == dim_of("warm-dark")
        await stage.enter(pilot, "/theme neutral")
        await until(stage.app, pilot, lambda: stage.text == dim_of("light"))
        await stage.app.close_session()


async def test_a_terminal_of_16_colours_shows_no_other_and_the_list_says_so(tmp_path: Path) -> None:
    stage = Stage(tmp_path, theme="warm", colours=Colours("16", "light"))
    async with stage.app.run_test(size=(80, 24)) as pilot:
        await stage.begin(pilot)
        assert stage.text == dim_of("ansi-light")
        await stage.open(pilot)
        rows = [stage.app.screen.query(".bar > *").last().render_line(y).text.strip() for y in range(2)]
        assert rows == ["This terminal has 16 colours: every theme looks like ansi", "Enter keep   Esc back"]
        await stage.app.close_session()


async def test_256_colours_are_named_by_their_numbers(tmp_path: Path) -> None:
    stage = Stage(tmp_path, theme="dark", colours=Colours("256"))
    async with stage.app.run_test(size=(80, 24)) as pilot:
        await stage.begin(pilot)
        assert str(stage.text) == "color(248)"
        await stage.app.close_session()


# --- the user's own --------------------------------------------------------------------------------------------------
async def test_a_theme_of_the_user_is_in_the_list_and_its_mistake_is_told(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    own = folders_at(tmp_path).themes
    own.mkdir(parents=True)
    (own / "mine.toml").write_text('about = "my own"\nextends = "light"\ndim = "#333333"\nbad = "rot"\n')
    async with stage.app.run_test(size=(200, 24)) as pilot:
        await stage.begin(pilot)
        assert (await stage.open(pilot))[-1] == "mine"
        await pilot.press("end")
        assert (stage.chosen, str(stage.text)) == ("mine", "#333333")
        told = stage.app.screen.query(".bar > *").last().render_line(0).text.strip()
        assert told.startswith(f"{own / 'mine.toml'}, line 4: bad = 'rot' is not allowed")
        await pilot.press("enter")
        await until(stage.app, pilot, lambda: not isinstance(stage.app.screen, ThemeScreen))
        await stage.open(pilot)
        told = stage.app.screen.query(".bar > *").last().render_line(0).text
        assert "mine.toml, line 4" in told
        await stage.app.close_session()


async def test_the_name_and_the_words_of_a_file_are_one_plain_line(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    own = folders_at(tmp_path).themes
    own.mkdir(parents=True)
    (own / "z\n\x1b[2J.toml").write_text('about = "a\\n\\u001b]0;t\\u0007\\u202eb"\n')
    async with stage.app.run_test(size=(80, 24)) as pilot:
        await stage.begin(pilot)
        await stage.open(pilot)
        assert stage.listing.rows[-1].cells == ("z[2J", "a]0;tb")
        await stage.app.close_session()


async def test_a_theme_with_a_mistake_is_one_notice_at_the_start(tmp_path: Path) -> None:
    own = folders_at(tmp_path).themes
    own.mkdir(parents=True)
    (own / "mine.toml").write_text('dim = "#999999"\n\ngood = 1\nbad = 2\n')
    stage = Stage(tmp_path, theme="mine")
    async with stage.app.run_test(size=(250, 24)) as pilot:
        await stage.begin(pilot)
        await until(stage.app, pilot, lambda: f"{own / 'mine.toml'}, line 3: good = 1 is not allowed" in stage.edge)
        assert "(and 1 more)" in stage.edge
        assert str(stage.text) == "#999999"
        await stage.app.close_session()


async def test_a_theme_that_is_not_there_is_one_notice_at_the_start(tmp_path: Path) -> None:
    stage = Stage(tmp_path, theme="../../etc/passwd")
    async with stage.app.run_test(size=(250, 24)) as pilot:
        await stage.begin(pilot)
        await until(stage.app, pilot, lambda: "config.toml: there is no theme '../../etc/passwd'; the themes are" in stage.edge)
        assert stage.text == dim_of("dark")
        await stage.app.close_session()


def test_the_chosen_line_without_colours_is_the_same_all_along() -> None:
    palette = Palette(selected=Style(reverse=True))
    assert {str(palette.chosen(style)) for style in (palette.text, palette.dim, palette.accent)} == {"reverse"}
