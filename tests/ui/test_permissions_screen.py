"""The screen of /permissions: what it lists, and how a rule is written and taken out by keys alone."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from textual.app import App
from textual.pilot import Pilot

import flowchat.ui
from flowchat.model.scripted import says
from flowchat.runtime.rulebook import RuleBook
from flowchat.tools.rules import Effect, Ground, Rule, Scope, parse_rule
from flowchat.ui.composer import Composer
from flowchat.ui.keymap import DEFAULT
from flowchat.ui.palette import DARK
from flowchat.ui.permissions_screen import FREE, PermissionsScreen, Rulings, Standing, meaning
from tests.pictures.drawing import screen_segments
from tests.staging import session_of, until
from tests.ui.test_app_model import Stage

USER = 'allow = ["shell(make:*)"]\ndeny = ["read_file(secrets/**)"]\n'


class Desk(App[None]):
    """The screen over the rules of a folder."""

    CSS_PATH = Path(flowchat.ui.__file__).with_name("flowchat.tcss")

    def __init__(self, root: Path, user: str = USER) -> None:
        super().__init__()
        home = root.resolve()
        (home / "work").mkdir()
        self.file = home / "permissions.toml"
        self.file.write_text(user)
        self.book = RuleBook(Ground(home / "work", home=home), self.file, [parse_rule("grep")], lambda: True)

    def on_mount(self) -> None:
        book = self.book

        def look() -> Standing:
            standing = book.standing()
            problems = tuple((problem.origin, problem.sentence) for problem in standing.problems)
            return Standing(tuple((rule, "") for rule in standing.rules), problems)

        async def add(text: str, effect: Effect, scope: Scope) -> Rule:
            return await asyncio.to_thread(book.add, text, effect, scope)

        async def remove(rule: Rule) -> bool:
            return await asyncio.to_thread(book.remove, rule)

        places = tuple((scope, book.place(scope)) for scope in book.scopes())
        self.push_screen(PermissionsScreen(DARK, Rulings(look, book.checked, add, remove, places), "default", DEFAULT))


def rows(desk: Desk) -> list[str]:
    return ["".join(segment.text for segment in row).rstrip() for row in screen_segments(desk)]


def shown(desk: Desk) -> str:
    return "\n".join(rows(desk))


async def until_shown(desk: Desk, pilot: Pilot[Any], words: str) -> None:
    async with asyncio.timeout(10):
        while words not in shown(desk):
            await pilot.pause(0.01)


async def test_rules_stand_in_the_order_in_which_they_are_tried(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    async with desk.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert [row.split() for row in rows(desk)[2:5]] == [
            ["▸", "deny", "read_file(secrets/**)", "user:2"],
            ["allow", "grep", "the", "command", "line"],
            ["allow", "shell(make:*)", "user:1"],
        ]
        assert "denies read_file, list_dir, glob, grep on these paths; ~/permissions.toml:2" in shown(desk)


@pytest.mark.parametrize("size", [(80, 24), (40, 12)])
async def test_a_rule_is_looked_at_while_it_is_written_and_then_in_its_file(tmp_path: Path, size: tuple[int, int]) -> None:
    desk = Desk(tmp_path)
    async with desk.run_test(size=size) as pilot:
        await pilot.press("n", "tab", "tab", *"shell(rm")
        assert rows(desk)[0] == "  deny shell(rm"
        assert "write shell(exact command)" in " ".join(shown(desk).split())
        await pilot.press("enter")
        assert "deny" not in desk.file.read_text().replace('deny = ["read_file', "")
        await pilot.press(*":*)")
        assert "denies commands that begin with rm" in shown(desk)
        await pilot.press("enter")
        await until_shown(desk, pilot, "Written to")
        assert desk.file.read_text() == 'allow = ["shell(make:*)"]\ndeny = ["read_file(secrets/**)", "shell(rm:*)"]\n'
        assert any(row.startswith("▸ deny   shell(rm:*)") for row in rows(desk))


async def test_it_goes_into_the_file_that_is_chosen(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    async with desk.run_test(size=(80, 24)) as pilot:
        await pilot.press("n", *"shell(npm test)", "shift+tab", "shift+tab")
        assert "for you in this project: .flowchat/permissions.local.toml" in " ".join(shown(desk).split())
        await pilot.press("enter")
        await until_shown(desk, pilot, "Written to")
        file = desk.file.parent / "work" / ".flowchat" / "permissions.local.toml"
        assert file.read_text() == 'allow = [\n    "shell(npm test)",\n]\n'


async def test_a_rule_that_could_do_nothing_is_not_written(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    async with desk.run_test(size=(80, 24)) as pilot:
        await pilot.press("n", *"read_file(secrets/a)", "enter")
        assert "it never allows anything: deny read_file(secrets/**)" in " ".join(shown(desk).split())
        await pilot.press("escape")
        assert desk.file.read_text() == USER


async def test_a_rule_is_taken_out_when_that_is_confirmed(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    async with desk.run_test(size=(80, 24)) as pilot:
        await pilot.press("d")
        assert "Take deny read_file(secrets/**) out of ~/permissions.toml?" in shown(desk)
        await pilot.press("x")
        assert desk.file.read_text() == USER
        await pilot.press("d", "y")
        await until_shown(desk, pilot, "Taken out of")
        assert desk.file.read_text() == 'allow = ["shell(make:*)"]\ndeny = []\n'
        await pilot.press("home", "d")
        assert "given on the command line: start without it" in shown(desk)


async def test_a_file_that_cannot_be_changed_is_told_of(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "deny = [\n")
    async with desk.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert rows(desk)[2].startswith("▸ ! not valid TOML")
        await pilot.press("n", *"shell(make)", "enter")
        await until_shown(desk, pilot, "nothing was changed")


async def test_without_rules_it_says_what_holds(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "")
    desk.book = RuleBook(desk.book.ground)
    async with desk.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert FREE in shown(desk)
        await pilot.press("d", "escape")
        assert not isinstance(desk.screen, PermissionsScreen)


async def test_what_was_granted_for_the_session_is_listed_and_taken_back(tmp_path: Path) -> None:
    stage = Stage(tmp_path, {"FLOWCHAT_MODEL": "openai/gpt-5", "OPENAI_API_KEY": "sk-secret"})
    stage.model.then(says("", calls=[("shell", {"command": "touch a"})]), says("Done."))
    async with stage.app.run_test(size=(100, 30)) as pilot:
        await stage.begin(pilot)
        session = session_of(stage.app)
        await session.send("go")
        await until(stage.app, pilot, lambda: session.approval is not None)
        assert session.approval is not None
        session.decide(session.approval.call, "session")
        await session.idle()
        stage.app.chat.query_one(Composer).load("/permissions")
        await pilot.press("enter")
        await until(stage.app, pilot, lambda: "allow  shell(touch a)" in stage.rows)
        assert "this session" in stage.rows
        await pilot.press("d", "y")
        await until(stage.app, pilot, lambda: FREE in stage.rows)
        await pilot.press("escape")
        await stage.app.close_session()


@pytest.mark.parametrize(
    ("written", "effect", "said"),
    [
        ("web_fetch(domain:*.a.org)", "allow", "allows fetching from *.a.org; commands in the full sandbox reach it, too"),
        ("WebFetch(domain:a.org)", "ask", "asks before fetching from a.org; commands in the full sandbox do not reach it"),
        ("web_fetch(domain:a.org)", "deny", "denies fetching from a.org; commands in the full sandbox do not reach it"),
        ("web_fetch", "allow", "allows web_fetch here, opens no host to commands"),
        ("web_fetch", "deny", "denies every web_fetch call; commands reach no host"),
        ("shell(make:*)", "ask", "asks before commands that begin with make"),
    ],
)
def test_a_rule_about_hosts_says_what_it_means_for_commands(written: str, effect: Effect, said: str) -> None:
    assert meaning(parse_rule(written, effect)) == said
