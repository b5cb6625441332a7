"""A command that its sandbox made fail: asked about once more, with the reason, and answered either way."""

from collections.abc import Mapping
from pathlib import Path

from flowchat.model.scripted import says
from flowchat.tools.arguments import schema, string
from flowchat.tools.registry import Registry
from flowchat.tools.rules import parse_rule
from flowchat.tools.tool import Beyond, Outcome, Reach, Walled
from flowchat.tools.tool import Desk as ToolDesk
from flowchat.transcript.entries import ApprovalDecided, ToolAnswered
from flowchat.transcript.events import ApprovalAsked, Preview
from tests.desk import Desk, Sitting

HOW: dict[Beyond | None, str] = {None: "within", "network": "with the network", "outside": "outside"}


class Walls:
    """A tool whose sandbox first denies the network, then a file; outside of it all is well."""

    read_only = False
    schema = schema("shell", "Runs a command.", {"command": string()}, {})

    def __init__(self, *walls: Beyond) -> None:
        self._walls, self.ran = walls, list[str]()

    def reach(self, args: Mapping[str, object], workspace: Path) -> Reach:
        return Reach("run", command=str(args["command"]))

    def preview(self, args: Mapping[str, object], desk: ToolDesk) -> Preview:
        return Preview(f"Run it {HOW[desk.beyond]}?", (), str(args["command"]))

    async def run(self, args: Mapping[str, object], desk: ToolDesk) -> Outcome:
        self.ran.append(HOW[desk.beyond])
        passed = self._walls.index(desk.beyond) + 1 if desk.beyond in self._walls else 0
        if desk.beyond == "outside" or passed == len(self._walls):
            return Outcome("exit 0", "done")
        return Outcome("exit 1", "no", "error", walled=Walled(self._walls[passed], f"wall {passed + 1}"))


def open_with(desk: Desk, tool: Walls, times: int = 1, mode: str = "default", attended: bool = True) -> Sitting:
    script = [step for _ in range(times) for step in (says("", calls=[("shell", {"command": "make"})]), says("Well."))]
    rules = () if attended else (parse_rule("shell"),)
    return desk.open(*script, tools=Registry([tool]), mode=mode, attended=attended, rules=rules)


async def asked(sitting: Sitting, number: int) -> ApprovalAsked:
    """The question of that number, from 1."""

    def is_it(thing: object) -> bool:
        questions = sitting.ear.entries(ApprovalAsked)
        return len(questions) >= number and thing is questions[number - 1]

    return await sitting.ear.until(is_it)


def answers(sitting: Sitting) -> list[tuple[str, str]]:
    return [(answered.status, answered.content) for answered in sitting.branch(ToolAnswered)]


async def test_what_a_wall_stops_is_asked_about_with_the_reason_and_run_again(desk: Desk) -> None:
    sitting = open_with(desk, tool := Walls("network", "outside"))
    await sitting.session.send("go")
    sitting.session.decide((await asked(sitting, 1)).call, "once")
    second = await asked(sitting, 2)
    sitting.session.decide(second.call, "once")
    third = await asked(sitting, 3)
    sitting.session.decide(third.call, "once")
    await sitting.session.idle()
    assert (second.preview.title, second.reason, second.grant) == (
        *("Run it with the network?", "wall 1"),
        "this exact command with the network on",
    )
    assert (third.preview.title, third.reason) == ("Run it outside?", "wall 2")
    assert tool.ran == ["within", "with the network", "outside"]
    assert answers(sitting) == [("ok", "done\n[run outside the sandbox, as was allowed]")]
    assert [decided.reason for decided in sitting.ear.entries(ApprovalDecided)] == [
        *(None, "with the network on", "outside the sandbox")
    ]


async def test_a_wall_that_stays_is_told_to_the_model(desk: Desk) -> None:
    sitting = open_with(desk, tool := Walls("outside"))
    await sitting.session.send("go")
    sitting.session.decide((await asked(sitting, 1)).call, "once")
    sitting.session.decide((await asked(sitting, 2)).call, "deny", "not on my machine")
    await sitting.session.idle()
    told = "no\n[the sandbox made this fail: wall 1. The user does not let it run outside the sandbox: not on my machine]"
    assert (tool.ran, answers(sitting)) == (["within"], [("error", told)])


async def test_what_is_let_out_for_the_session_is_that_command_and_is_not_asked_about_again(desk: Desk) -> None:
    sitting = open_with(desk, tool := Walls("outside"), times=2)
    await sitting.session.send("go")
    sitting.session.decide((await asked(sitting, 1)).call, "session")
    sitting.session.decide((await asked(sitting, 2)).call, "session")
    await sitting.session.idle()
    await sitting.session.send("again")
    await sitting.session.idle()
    assert (tool.ran, len(sitting.ear.entries(ApprovalAsked))) == (["within", "outside"] * 2, 2)


async def test_where_no_one_can_be_asked_the_wall_stays(desk: Desk) -> None:
    sitting = open_with(desk, tool := Walls("network"), attended=False)
    await sitting.session.send("go")
    await sitting.session.idle()
    told = "no\n[the sandbox made this fail: wall 1; there is no one here to ask]"
    assert (tool.ran, answers(sitting)) == (["within"], [("error", told)])


async def test_in_bypass_mode_there_are_no_walls(desk: Desk) -> None:
    sitting = open_with(desk, tool := Walls("network", "outside"), mode="bypass")
    await sitting.session.send("go")
    await sitting.session.idle()
    assert (tool.ran, answers(sitting)) == (["outside"], [("ok", "done")])


async def test_a_run_that_is_stopped_at_the_second_question_leaves_one_answer(desk: Desk) -> None:
    sitting = open_with(desk, Walls("outside"))
    await sitting.session.send("go")
    sitting.session.decide((await asked(sitting, 1)).call, "once")
    await asked(sitting, 2)
    await sitting.session.interrupt()
    await sitting.session.idle()
    assert [answered.status for answered in sitting.branch(ToolAnswered)] == ["interrupted"]
