"""The screen of /skills, and skills in the composer: what is listed, turned off, read and completed by keys alone."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from textual.app import App
from textual.pilot import Pilot

import flowchat.ui
from flowchat.model.scripted import ScriptedModel, says
from flowchat.transcript.entries import SKILL_LIST, ContextAdded, UserSaid, text_of
from flowchat.ui.composer import Composer
from flowchat.ui.keymap import DEFAULT
from flowchat.ui.palette import DARK
from flowchat.ui.skills_screen import SkillsScreen
from tests.pictures.drawing import screen_segments
from tests.runtime.test_skills import House
from tests.staging import app_on, session_of, until, workspace_at


class Desk(App[None]):
    """The screen over the skills of a house."""

    CSS_PATH = Path(flowchat.ui.__file__).with_name("flowchat.tcss")

    def __init__(self, house: House) -> None:
        super().__init__()
        self.house = house

    def on_mount(self) -> None:
        self.push_screen(SkillsScreen(DARK, self.house.skills, DEFAULT))


def rows(app: App[Any]) -> list[str]:
    return ["".join(segment.text for segment in row).rstrip() for row in screen_segments(app)]


async def until_shown(app: App[Any], pilot: Pilot[Any], words: str) -> None:
    async with asyncio.timeout(10):
        while words not in "\n".join(rows(app)):
            await pilot.pause(0.01)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


async def test_every_skill_stands_with_its_place_and_whether_it_counts(house: House) -> None:
    house.put(".flowchat/skills", "deploy", description="How it is deployed.")
    house.put(".agents/skills", "broken").write_text("---\ndescription: x\n---\ny")
    house.put("~/.claude/skills", "deploy")
    house.put("~/.claude/skills", "review", allowed_tools="Read, Bash", disable_model_invocation="true")
    async with (desk := Desk(house)).run_test(size=(100, 24)) as pilot:
        await until_shown(desk, pilot, "hidden")
        assert [row.split() for row in rows(desk)[2:6]] == [
            ["▸", "deploy", "How", "it", "is", "deployed.", "on", ".flowchat/skills"],
            ["broken", "it", "has", "no", "name", "in", "its", "front", "matter", "not", "valid", ".agents/skills"],
            ["deploy", "About", "deploy.", "hidden", "~/.claude/skills"],
            ["review", "About", "review.", "on", "~/.claude/skills"],
        ]
        await pilot.press("down")
        await until_shown(desk, pilot, "not valid: it has no name in its front matter")
        assert "turn it" not in "\n".join(rows(desk))
        await pilot.press("down")
        await until_shown(desk, pilot, "hidden: the one in .flowchat/skills has its name and counts")
        await pilot.press("end")
        await until_shown(desk, pilot, "asks for Read, Bash; a skill is given no rights by that")
        assert "for you alone: $review adds it" in "\n".join(rows(desk))


async def test_a_skill_is_turned_off_and_on_and_the_choice_stays_where_it_was(house: House) -> None:
    house.put(".flowchat/skills", "a")
    house.put(".flowchat/skills", "b")
    async with (desk := Desk(house)).run_test(size=(100, 24)) as pilot:
        await until_shown(desk, pilot, "2 skills in use")
        await pilot.press("down", "space")
        await until_shown(desk, pilot, "b is off from your next message on")
        assert [state for _, _, state in house.states()] == ["on", "off"]
        await pilot.press("t")
        await until_shown(desk, pilot, "b is on from your next message on")
        assert [state for _, _, state in house.states()] == ["on", "on"]


async def test_a_setting_that_cannot_be_kept_is_told_and_nothing_changes(house: House) -> None:
    house.put(".flowchat/skills", "a")
    house.folders.settings_file.parent.mkdir(parents=True)
    house.folders.settings_file.write_text("not = [toml")
    async with (desk := Desk(house)).run_test(size=(100, 24)) as pilot:
        await until_shown(desk, pilot, "1 skill in use")
        await pilot.press("space")
        await until_shown(desk, pilot, " TOML")
        assert house.states() == [("a", ".flowchat/skills", "on")]


async def test_a_skill_is_read_in_place_and_nothing_in_it_reaches_the_terminal_as_it_is(house: House) -> None:
    file = house.put(".flowchat/skills", "a", "first\n\x1b]52;c;eA==\x07\n" + "more\n" * 50 + "last", description='"x\\e[2Jy"')
    async with (desk := Desk(house)).run_test(size=(100, 24)) as pilot:
        await until_shown(desk, pilot, "1 skill in use")
        await pilot.press("enter")
        await until_shown(desk, pilot, "first")
        assert not any("\x1b" in row or "\x07" in row for row in rows(desk))
        await pilot.press("end")
        await until_shown(desk, pilot, "  last")
        await pilot.press("escape")
        await until_shown(desk, pilot, "1 skill in use")
        file.unlink()
        await pilot.press("r")
        await until_shown(desk, pilot, "No skills yet.")


async def test_turning_one_off_scrolls_neither_the_list_nor_what_is_read(house: House) -> None:
    for number in range(30):
        house.put(".flowchat/skills", f"s{number:02}", "more\n" * 50 + "last")
    async with (desk := Desk(house)).run_test(size=(100, 24)) as pilot:
        await until_shown(desk, pilot, "30 skills in use")
        await pilot.press("end", "up", "up")
        await until_shown(desk, pilot, "▸ s27")
        before = [row.split()[:2] for row in rows(desk)[2:10]]
        await pilot.press("space")
        await until_shown(desk, pilot, "s27 is off from")
        assert [row.split()[:2] for row in rows(desk)[2:10]] == before
        await pilot.press("enter", "end")
        await until_shown(desk, pilot, "  last")
        await pilot.press("space")
        await until_shown(desk, pilot, "s27 is on from")
        assert any(row == "  last" for row in rows(desk))


async def test_one_that_is_gone_while_it_is_read_makes_room_for_the_list(house: House) -> None:
    file = house.put(".flowchat/skills", "a", "first")
    house.put(".flowchat/skills", "b")
    async with (desk := Desk(house)).run_test(size=(100, 24)) as pilot:
        await until_shown(desk, pilot, "2 skills in use")
        await pilot.press("enter")
        await until_shown(desk, pilot, "first")
        file.unlink()
        await pilot.press("r")
        await until_shown(desk, pilot, "1 skill in use")


async def test_without_skills_it_says_how_one_is_made(house: House) -> None:
    async with (desk := Desk(house)).run_test(size=(80, 24)) as pilot:
        await until_shown(desk, pilot, "No skills yet. A skill is a folder with a SKILL.md: instructions")
        assert "config/skills/release for all" in " ".join(" ".join(rows(desk)).split())
        await pilot.press("space", "enter", "escape")
        await pilot.pause()
        assert len(desk.screen_stack) == 1


async def test_a_skill_is_completed_after_a_dollar_sign_and_added_by_the_message(tmp_path: Path) -> None:
    workspace = workspace_at(tmp_path, ScriptedModel(says("a"), says("b")))
    house = House(tmp_path, workspace.path)
    workspace.trust.add(workspace.trust.look(workspace.path))
    house.put(".flowchat/skills", "review", description='"Look\\a twice."')
    house.put(".flowchat/skills", "quiet", user_invocable="false")
    app = app_on(workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(app, pilot, lambda: app.get_default_screen().session is not None)
        session, composer = session_of(app), app.screen.query_one(Composer)
        await pilot.press("$")
        await until(app, pilot, lambda: bool(composer.offers))
        assert [(offer.text, offer.label, offer.note) for offer in composer.offers] == [("review ", "$review", "Look␇ twice.")]
        await pilot.press("r", "e", "tab")
        assert composer.text == "$review "
        await pilot.press("i", "t", "enter")
        await until(app, pilot, lambda: session.transcript.branch()[-1].type == "run_ended")
        composer.load("/skill:")
        await pilot.press("r")
        await until(app, pilot, lambda: bool(composer.offers))
        await pilot.press("enter")
        assert composer.text == "/skill:review "
        await pilot.press("x", "enter")
        await until(app, pilot, lambda: len(session.user_messages()) == 2 and session.state.state == "idle")
        branch = [record.entry for record in session.transcript.branch()]
        assert [text_of(entry.parts) for entry in branch if isinstance(entry, UserSaid)] == ["$review it", "$review x"]
        origins = [entry.origin for entry in branch if isinstance(entry, ContextAdded) and entry.source == "skill"]
        assert [Path(origin).parent.name for origin in origins] == ["", "review"]


async def test_before_the_first_message_the_map_has_the_list_of_skills(tmp_path: Path) -> None:
    workspace = workspace_at(tmp_path, ScriptedModel(says("a")))
    House(tmp_path, workspace.path).put("~/../user/config/skills", "mine")
    session = await workspace.new(model="scripted")
    [row] = [row for row in session.context.rows() if row.kind == "skill"]
    assert (row.title, row.why) == (
        SKILL_LIST,
        "skills the model may read by itself, by name and description, read with your first message",
    )
    assert session.context.text(row).endswith("skills/mine/SKILL.md)")
    assert session.context.used is not None
    weighed = session.context.used.tokens
    assert weighed == sum(row.tokens for row in session.context.rows())
    await workspace.close()


async def test_what_was_added_stands_in_the_conversation_by_its_name(tmp_path: Path) -> None:
    workspace = workspace_at(tmp_path, ScriptedModel(says("a")))
    House(tmp_path, workspace.path).put("~/../user/config/skills", "mine", "Do this. Do that.")
    app = app_on(workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(app, pilot, lambda: app.get_default_screen().session is not None)
        app.screen.query_one(Composer).load("$mine $other")
        await pilot.press("escape", "enter")
        await until_shown(app, pilot, "Not added: $other (no such skill).")
        shown = "\n".join(rows(app))
        assert "skills listed for the model" in shown
        assert "skill mine read" in shown


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("/skill:nope do it", "there is no skill nope; /skills lists what there is"),
        ("/skill nope", "there is no skill nope; /skills lists what there is"),
        ("/skill", "name a skill, as in /skill:NAME; /skills lists what there is"),
        ("/skill:off x", "off is not used: turned off; /skills shows it"),
    ],
)
async def test_a_skill_that_cannot_be_named_gives_the_words_back(tmp_path: Path, written: str, said: str) -> None:
    workspace = workspace_at(tmp_path, ScriptedModel())
    house = House(tmp_path, workspace.path)
    house.folders = workspace.folders
    house.skills = house.anew()
    house.put("~/../user/config/skills", "off")
    skills = workspace.skills(workspace.path)
    skills.switch(skills.look().skills[0], False)
    app = app_on(workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(app, pilot, lambda: app.get_default_screen().session is not None)
        composer = app.screen.query_one(Composer)
        composer.load(written)
        await pilot.press("escape", "enter")
        await until(app, pilot, lambda: said in "\n".join(rows(app)))
        assert composer.text == written
