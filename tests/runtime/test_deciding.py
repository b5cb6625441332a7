"""Permissions: what runs free, what is asked, and what a decision does."""

import pytest

from flowchat.agent.inbox import Choice
from flowchat.model.scripted import says
from flowchat.runtime.rulebook import RuleBook
from flowchat.tools.rules import Ground, parse_rule
from flowchat.transcript.entries import ApprovalDecided, ContextAdded, RunEnded, ToolAnswered, ToolStarted
from flowchat.transcript.events import ApprovalAsked, Toast
from tests.desk import Desk

WRITE = ("write_file", {"path": "new.txt", "content": "hello\n"})
TOUCH = ("shell", {"command": "touch c.txt"})


async def test_reading_inside_the_workspace_is_free(desk: Desk) -> None:
    sitting = desk.open(says("", calls=[("read_file", {"path": "a.txt"})]), says("ok"))
    await sitting.session.send("read")
    await sitting.session.idle()
    assert sitting.ear.entries(ApprovalAsked) == []
    assert "alpha" in sitting.branch(ToolAnswered)[0].content


async def test_a_write_waits_for_the_decision_and_then_happens(desk: Desk) -> None:
    sitting = desk.open(says("", calls=[WRITE]), says("written"))
    await sitting.session.send("write")
    asked = await sitting.ear.until(ApprovalAsked)
    assert sitting.session.state.phase == "awaiting_approval"
    assert sitting.session.approval == asked
    assert not (desk.folder / "new.txt").exists()
    assert sitting.session.decide(asked.call, "once") is True
    await sitting.session.idle()
    assert (desk.folder / "new.txt").read_text() == "hello\n"
    decided = sitting.ear.entries(ApprovalDecided)[0]
    assert (decided.decision, decided.by) == ("allow", "user")


async def test_a_denied_call_is_answered_with_the_reason_and_the_others_go_on(desk: Desk) -> None:
    sitting = desk.open(says("", calls=[WRITE, ("read_file", {"path": "a.txt"})]), says("understood"))
    await sitting.session.send("write")
    asked = await sitting.ear.until(ApprovalAsked)
    sitting.session.decide(asked.call, "deny", "not here")
    await sitting.session.idle()
    assert next((answer.status, answer.summary) for answer in sitting.branch(ToolAnswered)) == (
        "denied",
        "the user denied this call: not here",
    )
    assert sitting.branch(ToolAnswered)[1].status == "ok"
    assert len(sitting.branch(ToolStarted)) == 1
    assert not (desk.folder / "new.txt").exists()
    assert sitting.branch(RunEnded)[0].outcome == "completed"


async def test_a_question_says_what_allowing_it_for_the_session_frees(desk: Desk) -> None:
    sitting = desk.open(says("", calls=[WRITE, TOUCH]), says("ok"))
    await sitting.session.send("go")
    asked = await sitting.ear.until(ApprovalAsked)
    sitting.session.decide(asked.call, "once")
    again = await sitting.ear.until(lambda event: isinstance(event, ApprovalAsked) and event.call != asked.call)
    sitting.session.decide(again.call, "once")
    await sitting.session.idle()
    assert [told.grant for told in sitting.ear.entries(ApprovalAsked)] == ["write_file in this workspace", "this exact command"]


async def test_a_session_grant_asks_once(desk: Desk) -> None:
    sitting = desk.open(says("", calls=[TOUCH]), says("", calls=[TOUCH]), says("ok"))
    await sitting.session.send("go")
    asked = await sitting.ear.until(ApprovalAsked)
    sitting.session.decide(asked.call, "session")
    await sitting.session.idle()
    assert len(sitting.ear.entries(ApprovalAsked)) == 1
    assert [answer.status for answer in sitting.branch(ToolAnswered)] == ["ok", "ok"]


async def test_a_decision_about_another_call_decides_nothing(desk: Desk) -> None:
    sitting = desk.open(says("", calls=[TOUCH]), says("ok"))
    await sitting.session.send("go")
    await sitting.ear.until(ApprovalAsked)
    assert sitting.session.decide("1.0", "once") is False
    assert sitting.session.state.phase == "awaiting_approval"


async def test_accept_edits_frees_edits_and_still_asks_for_commands(desk: Desk) -> None:
    sitting = desk.open(says("", calls=[WRITE, TOUCH]), says("ok"), mode="accept-edits")
    await sitting.session.send("go")
    asked = await sitting.ear.until(ApprovalAsked)
    assert (desk.folder / "new.txt").exists()
    assert asked.call.endswith(".1")
    sitting.session.decide(asked.call, "once")
    await sitting.session.idle()


async def test_plan_mode_refuses_writes_and_tells_the_model(desk: Desk) -> None:
    sitting = desk.open(says("", calls=[WRITE]), says("the plan"), mode="plan")
    await sitting.session.send("go")
    await sitting.session.idle()
    assert sitting.branch(ToolAnswered)[0].status == "denied"
    assert [added.origin for added in sitting.branch(ContextAdded) if added.source == "mode"] == ["mode"]
    assert not (desk.folder / "new.txt").exists()


async def test_a_mode_change_reaches_the_model_at_the_next_step_and_is_said_once(desk: Desk) -> None:
    sitting = desk.open(says("one"), says("two"), says("three"))
    for text in ("a", "b", "c"):
        await sitting.session.send(text)
        await sitting.session.idle()
        if text == "a":
            await sitting.session.set_mode("plan")
    assert [added.source for added in sitting.branch(ContextAdded)].count("mode") == 1


async def test_without_anybody_to_ask_what_is_not_allowed_is_denied(desk: Desk) -> None:
    rules = (parse_rule("shell(touch c.txt)"),)
    sitting = desk.open(says("", calls=[TOUCH, WRITE]), says("ok"), attended=False, rules=rules)
    await sitting.session.send("go")
    await sitting.session.idle()
    assert [answer.status for answer in sitting.branch(ToolAnswered)] == ["ok", "denied"]
    assert "--allow" in sitting.branch(ToolAnswered)[1].content


async def test_an_edit_of_a_file_nobody_read_or_that_changed_since_is_refused(desk: Desk) -> None:
    edit = ("edit_file", {"path": "a.txt", "old": "alpha", "new": "ALPHA"})
    read = ("read_file", {"path": "a.txt"})
    sitting = desk.open(says("", calls=[edit]), says("", calls=[read]), says("read"), mode="accept-edits")
    await sitting.session.send("go")
    await sitting.session.idle()
    unread = sitting.branch(ToolAnswered)[0]
    assert (unread.status, "read" in unread.content) == ("error", True)
    (desk.folder / "a.txt").write_text("alpha changed\n")
    sitting.model.then(says("", calls=[edit]), says("", calls=[read, edit]), says("done"))
    await sitting.session.send("now edit")
    await sitting.session.idle()
    changed, _, edited = sitting.branch(ToolAnswered)[2:]
    assert (changed.status, "changed" in changed.content) == ("error", True)
    assert (edited.status, (desk.folder / "a.txt").read_text()) == ("ok", "ALPHA changed\n")


async def test_an_answer_is_durable_before_it_is_heard_and_follows_its_start(desk: Desk) -> None:
    sitting = desk.open(says("", calls=[("read_file", {"path": "a.txt"})]), says("ok"))
    await sitting.session.send("go")
    await sitting.session.idle()
    types = sitting.types()
    assert types.index("assistant_said") < types.index("tool_started") < types.index("tool_answered")


@pytest.mark.parametrize("count", [3])
async def test_read_only_calls_run_together_and_a_write_waits_for_those_before_it(desk: Desk, count: int) -> None:
    reads = [("read_file", {"path": "a.txt"})] * count
    sitting = desk.open(says("", calls=[*reads, WRITE, *reads]), says("ok"), mode="accept-edits")
    await sitting.session.send("go")
    await sitting.session.idle()
    order = [(entry.call.split(".")[1], type(entry).__name__) for entry in sitting.branch(ToolStarted, ToolAnswered)]
    write = order.index((str(count), "ToolStarted"))
    assert {call for call, _ in order[:write]} == {"0", "1", "2"}
    assert order[write + 1] == (str(count), "ToolAnswered")


def book(desk: Desk, trusted: bool = True) -> RuleBook:
    """Rules of the user and of a workspace that is trusted."""
    return RuleBook(Ground(desk.folder), desk.folder.parent / "config" / "permissions.toml", (), lambda: trusted)


@pytest.mark.parametrize(
    ("choice", "file"), [("local", "work/.flowchat/permissions.local.toml"), ("user", "config/permissions.toml")]
)
async def test_always_writes_the_rule_that_was_shown_and_asks_no_more(desk: Desk, choice: Choice, file: str) -> None:
    sitting = desk.open(says("", calls=[TOUCH]), says("", calls=[TOUCH]), says("ok"), book=book(desk))
    await sitting.session.send("go")
    asked = await sitting.ear.until(ApprovalAsked)
    assert asked.lasting is not None
    assert (asked.lasting.rules, [scope for scope, _ in asked.lasting.places]) == (("shell(touch c.txt)",), ["local", "user"])
    sitting.session.decide(asked.call, choice)
    await sitting.session.idle()
    assert (desk.folder.parent / file).read_text() == 'allow = [\n    "shell(touch c.txt)",\n]\n'
    assert [(told.decision, told.by, told.rule) for told in sitting.ear.entries(ApprovalDecided)] == [
        ("allow", "user", "shell(touch c.txt)"),
        ("allow", "rule", "shell(touch c.txt)"),
    ]
    assert len(sitting.ear.entries(ApprovalAsked)) == 1


async def test_in_a_folder_that_is_not_trusted_always_is_offered_for_all_projects_only(desk: Desk) -> None:
    sitting = desk.open(says("", calls=[TOUCH]), says("ok"), book=book(desk, trusted=False))
    await sitting.session.send("go")
    asked = await sitting.ear.until(ApprovalAsked)
    assert [scope for scope, _ in asked.lasting.places] == ["user"]


async def test_where_the_rule_cannot_be_written_the_call_runs_once_and_the_user_hears_why(desk: Desk) -> None:
    sitting = desk.open(says("", calls=[TOUCH]), says("ok"), book=book(desk))
    await sitting.session.send("go")
    asked = await sitting.ear.until(ApprovalAsked)
    (desk.folder / ".flowchat").symlink_to(desk.folder.parent)
    sitting.session.decide(asked.call, "local")
    await sitting.session.idle()
    assert (desk.folder / "c.txt").exists()
    [toast] = sitting.ear.entries(Toast)
    assert toast.text.startswith("Allowed this once: ")
    assert sitting.ear.entries(ApprovalDecided)[0].rule is None


async def test_a_rule_the_user_writes_meanwhile_holds_for_the_next_call(desk: Desk) -> None:
    sitting = desk.open(says("", calls=[TOUCH]), says("", calls=[TOUCH]), says("ok"), book=book(desk))
    await sitting.session.send("go")
    asked = await sitting.ear.until(ApprovalAsked)
    (desk.folder / ".flowchat").mkdir()
    (desk.folder / ".flowchat" / "permissions.toml").write_text('deny = ["shell(touch:*)"]\n')
    sitting.session.decide(asked.call, "session")
    await sitting.session.idle()
    denied = sitting.branch(ToolAnswered)[1]
    assert (denied.status, denied.content) == ("denied", "denied by the rule shell(touch:*) (.flowchat/permissions.toml:1)")


async def test_the_model_cannot_write_rules_without_being_asked(desk: Desk) -> None:
    rules = ".flowchat/permissions.local.toml"
    calls = [("write_file", {"path": rules, "content": 'allow = ["shell"]'}), ("shell", {"command": f"cp a.txt {rules}"})]
    sitting = desk.open(says("", calls=calls), says("ok"), mode="accept-edits", attended=False, book=book(desk))
    await sitting.session.send("go")
    await sitting.session.idle()
    assert [answer.status for answer in sitting.branch(ToolAnswered)] == ["denied", "denied"]
    assert not (desk.folder / ".flowchat").exists()


async def test_a_search_gives_nothing_of_a_file_that_may_not_be_read(desk: Desk) -> None:
    (desk.folder / "secrets").mkdir()
    (desk.folder / "secrets" / "key").write_text("alpha of secrets\n")
    deny = (parse_rule("Read(secrets/**)", "deny"),)
    search = ("grep", {"pattern": "alpha"})
    read = ("shell", {"command": "cat secrets/key"})
    sitting = desk.open(says("", calls=[search, read]), says("ok"), rules=deny)
    await sitting.session.send("go")
    await sitting.session.idle()
    found, denied = sitting.branch(ToolAnswered)
    assert ("a.txt" in found.content, "secrets" in found.content, denied.status) == (True, False, "denied")
