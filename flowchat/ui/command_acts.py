"""What each slash command does; the table at the end has one row for each row of commands.py."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeAlias

from flowchat.errors import AlreadyExists, CommandRefused
from flowchat.transcript.clean import clean
from flowchat.transcript.entries import Seq
from flowchat.ui import leaving, orders
from flowchat.ui.commands import Typed
from flowchat.ui.figures import from_home
from flowchat.ui.stage import Stage

if TYPE_CHECKING:
    from flowchat.runtime.session import Session

Do: TypeAlias = "Callable[[Stage, Session, str], Coroutine[Any, Any, None]]"
"""Takes the session that is there by now, and the argument as typed; a refusal is raised as FlowchatError."""

_TOLD_BY_METER = {"compact", "handoff", "retry"}
"""What shows there while it goes on."""


def carry_out(stage: Stage, typed: Typed, text: str) -> None:
    """Begin what a command asks for; `text` is how it was written, and goes back into the composer if it is refused."""

    async def carry_out() -> None:
        await BY_NAME[command.name](stage, await stage.visit.current(), typed.argument)
        stage.show_standing()

    command = typed.command
    doing = "" if command.name in _TOLD_BY_METER else f"/{command.name}"
    stage.errands.run(carry_out(), text, f"/{command.name}" if command.once else "", command.brief, doing)


# --- also asked for by keys ------------------------------------------------------------------------------------------
def show_help(stage: Stage) -> None:
    from flowchat.ui import picking

    picking.show_help(stage)


def resume(stage: Stage, wanted: str = "") -> None:
    go: Callable[[str], None] = lambda wanted: stage.errands.run(
        stage.visit.go_to(wanted), once="Opening a session", doing="Opening a session"
    )
    if wanted:
        go(wanted)
    else:
        from flowchat.ui import picking

        picking.pick_session(stage, go)


def choose_model(stage: Stage) -> None:
    from flowchat.ui import model_choice

    stage.order(lambda session: model_choice.pick_model(stage, session))


def fold_todo(stage: Stage) -> None:
    if not stage.panes.todo.toggle():
        stage.say("Nothing is open on a todo list")


def look_at_trust(stage: Stage) -> None:
    from flowchat.ui import trust_screen

    stage.errands.run(trust_screen.show_trust(stage), once="Looking at what waits for trust", brief=False)


def pick_message(stage: Stage, number: str = "") -> None:
    """Raises NotFound."""
    if stage.session is not None:
        from flowchat.ui import picking

        walk: Callable[[Seq], None] = lambda to: stage.order(lambda session: session.walk_to(to))
        picking.pick_message(stage, stage.session, number, stage.begin_revision, walk)


# --- one function for each command -----------------------------------------------------------------------------------
async def _help(stage: Stage, session: "Session", argument: str) -> None:
    show_help(stage)


async def _new(stage: Stage, session: "Session", argument: str) -> None:
    await stage.visit.begin_anew()
    await stage.greet()


async def _resume(stage: Stage, session: "Session", argument: str) -> None:
    resume(stage, argument)


async def _rename(stage: Stage, session: "Session", argument: str) -> None:
    await session.rename(argument)


async def _model(stage: Stage, session: "Session", argument: str) -> None:
    if argument:
        await session.set_model(argument)
        await stage.greet()
        stage.say(f"{argument} answers from the next run on")
    else:
        from flowchat.ui import model_choice

        await model_choice.pick_model(stage, session)


async def _compact(stage: Stage, session: "Session", argument: str) -> None:
    from flowchat.ui import compacting

    await compacting.compact(stage, session, argument)


async def _handoff(stage: Stage, session: "Session", argument: str) -> None:
    from flowchat.ui import compacting

    await compacting.hand_off(stage, session, argument)


async def _edit(stage: Stage, session: "Session", argument: str) -> None:
    pick_message(stage, argument)


async def _context(stage: Stage, session: "Session", argument: str) -> None:
    from flowchat.ui import picking

    picking.show_context(stage, session, argument == "raw")


async def _retry(stage: Stage, session: "Session", argument: str) -> None:
    await orders.retry(session)


async def _copy(stage: Stage, session: "Session", argument: str) -> None:
    if argument and not argument.isdecimal():
        stage.say("/copy takes a number: 1 is the last answer, 2 the one before", "warning")
    else:
        stage.panes.conversation.copy_answer(int(argument or 1))


async def _export(stage: Stage, session: "Session", argument: str) -> None:
    """Into the session's folder unless another is named; a file that is there is asked about."""
    from flowchat.ui.confirm_screen import ConfirmScreen

    is_quoted = len(argument) > 2 and argument[0] == argument[-1] and argument[0] in "\"'"  # as one writes it for a shell
    file = (argument[1:-1] if is_quoted else argument) or f"flowchat-{session.sid}.md"
    try:
        path = await stage.workspace.archive.export(session, file)
    except AlreadyExists:
        question = f"{file} is there already. Replace it with this session?"
        screen = ConfirmScreen(stage.palette, "Export", question, "replace it")
        if not await stage.ask(screen):
            stage.say(f"{clean(file)} stays as it is; /export FILE takes another name")
            return
        path = await stage.workspace.archive.export(session, file, force=True)
    stage.say(f"Written to {clean(from_home(str(path)))}")


async def _mouse(stage: Stage, session: "Session", argument: str) -> None:
    stage.switch_mouse(argument == "on" if argument else None)


async def _editor(stage: Stage, session: "Session", argument: str) -> None:
    stage.edit_outside()


async def _queue(stage: Stage, session: "Session", argument: str) -> None:
    stage.panes.edit_queue()


async def _todo(stage: Stage, session: "Session", argument: str) -> None:
    fold_todo(stage)


async def _jobs(stage: Stage, session: "Session", argument: str) -> None:
    from flowchat.ui import picking

    picking.show_jobs(stage, session)


async def _fork(stage: Stage, session: "Session", argument: str) -> None:
    await stage.go_on_in_copy()


async def _theme(stage: Stage, session: "Session", argument: str) -> None:
    from flowchat.ui import theme_screen

    if argument:
        await theme_screen.keep_theme(stage, argument)
    else:
        theme_screen.pick_theme(stage)


async def _cost(stage: Stage, session: "Session", argument: str) -> None:
    from flowchat.ui import picking

    picking.show_cost(stage, session)


async def _cache(stage: Stage, session: "Session", argument: str) -> None:
    from flowchat.ui import picking

    picking.show_cache(stage, session)


async def _trust(stage: Stage, session: "Session", argument: str) -> None:
    look_at_trust(stage)


async def _status(stage: Stage, session: "Session", argument: str) -> None:
    from flowchat.ui import status

    await status.show_status(stage, session)


async def _doctor(stage: Stage, session: "Session", argument: str) -> None:
    from flowchat.ui import status

    status.show_doctor(stage)


async def _permissions(stage: Stage, session: "Session", argument: str) -> None:
    from flowchat.ui import permissions

    permissions.show_permissions(stage, session)


async def _skills(stage: Stage, session: "Session", argument: str) -> None:
    from flowchat.ui import skills_screen

    skills_screen.show_skills(stage, session.skills)


async def _skill(stage: Stage, session: "Session", argument: str) -> None:
    """Raises CommandRefused where there is no such skill to name."""
    name, *words = argument.split(maxsplit=1) or [""]
    skill = (await asyncio.to_thread(session.skills.look)).named(name)
    if skill is None:
        why = f"there is no skill {name}" if name else "name a skill, as in /skill:NAME"
        raise CommandRefused(f"{why}; /skills lists what there is")
    if skill.refusal:
        raise CommandRefused(f"{name} is not used: {skill.refusal}; /skills shows it")
    stage.send(" ".join((f"${name}", *words)))


async def _keys(stage: Stage, session: "Session", argument: str) -> None:
    from flowchat.ui import picking

    picking.show_keys(stage)


async def _quit(stage: Stage, session: "Session", argument: str) -> None:
    await leaving.leave(stage)


BY_NAME: dict[str, Do] = {
    "help": _help,
    "new": _new,
    "resume": _resume,
    "rename": _rename,
    "model": _model,
    "compact": _compact,
    "handoff": _handoff,
    "edit": _edit,
    "context": _context,
    "retry": _retry,
    "copy": _copy,
    "export": _export,
    "mouse": _mouse,
    "editor": _editor,
    "queue": _queue,
    "todo": _todo,
    "jobs": _jobs,
    "fork": _fork,
    "theme": _theme,
    "cost": _cost,
    "cache": _cache,
    "trust": _trust,
    "status": _status,
    "doctor": _doctor,
    "permissions": _permissions,
    "skills": _skills,
    "skill": _skill,
    "keys": _keys,
    "quit": _quit,
}
