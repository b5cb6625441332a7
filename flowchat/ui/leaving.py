"""Leaving while programs run in the background: it is said which of them end with the session, and asked."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from flowchat.transcript.clean import clean
from flowchat.ui.figures import many
from flowchat.ui.prose import one_line
from flowchat.ui.strips import cut

if TYPE_CHECKING:
    from flowchat.tools.jobs import JobShown
    from flowchat.ui.stage import Stage

COMMAND_CELLS = 40
"""Of a job's command, in a sentence."""


async def leave(stage: "Stage") -> None:
    """End the program; while jobs run only if the person agrees that they end, too."""
    from flowchat.ui.confirm_screen import ConfirmScreen

    running = stage.session.background.running if stage.session is not None else []
    if running:
        question = f"{named(running)} still {'runs' if len(running) == 1 else 'run'}, and will end. Leave?"
        if not await stage.ask(ConfirmScreen(stage.palette, "Leave", question, "leave")):
            return
    stage.app.exit(0)


def named(running: "Sequence[JobShown]") -> str:
    """One job by its command, several by their number."""
    if len(running) == 1:
        return f"Job {running[0].number} ({cut(one_line(clean(running[0].command)), COMMAND_CELLS)})"
    return many(len(running), "job")
