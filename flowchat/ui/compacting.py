"""What /compact and /handoff do on the screen: the summary is shown before it counts, and where it led is said."""

from typing import TYPE_CHECKING

from flowchat.agent.prompt import edited_parts
from flowchat.agent.proposal import Proposal
from flowchat.agent.recall_score import Score
from flowchat.transcript.clean import clean
from flowchat.transcript.entries import UserSaid, text_of
from flowchat.ui.away import away
from flowchat.ui.fold_screen import Acts, FoldScreen

if TYPE_CHECKING:
    from textual import events

    from flowchat.runtime.session import Session
    from flowchat.ui.stage import Stage

CONTINUED = ", continued"


async def compact(stage: "Stage", session: "Session", argument: str) -> None:
    """Fold as the user agrees to, undo, or redo. Raises CommandRefused, CompactionFailed."""
    match argument:
        case "undo":
            await session.folding.undo()
            stage.say("The messages are read in full again; /compact redo folds them as before")
        case "redo":
            await session.folding.redo()
            stage.say("The messages are folded again; /compact undo takes it back")
        case _ if await session.folding.join(argument) is not None:
            pass  # what was folded is told as of any that begins by itself
        case _ if stage.workspace.settings.compact.preview:
            async with session.folding.preview(argument) as proposal:
                screen = FoldScreen(stage.palette, proposal, _acts(stage, session), stage.keymap, _waiting(session, proposal))
                if not await stage.ask(screen):
                    stage.say("Nothing was folded")
        case _:
            await session.compact(argument)


async def hand_off(stage: "Stage", session: "Session", instructions: str) -> None:
    """A new session, a summary of this one unsent in its composer. Raises CommandRefused, CompactionFailed."""
    text = await session.folding.hand_off(instructions)
    title, is_kept = session.title, stage.visit.saved
    await stage.visit.begin_anew()
    new = await stage.visit.current()
    if title:
        await new.rename(title if title.endswith(CONTINUED) else f"{title}{CONTINUED}")
    of = f"session {session.sid}" if is_kept else "an earlier session"
    stage.panes.composer.append(f"A summary of {of}, to go on from:\n\n{clean(text)}\n\n")
    await stage.greet()
    sends = stage.keymap.hint("chat", "sends the summary", "submit")
    old = f"The old one: /resume {session.sid}" if is_kept else "The old one is gone, as it was not kept"
    stage.say(f"A new session; {sends}. {old}")


def _waiting(session: "Session", proposal: Proposal) -> list[str]:
    """The messages among what it folds that have no answer yet."""
    edits = edited_parts(session.transcript.branch(), session.transcript.facts)
    records = (session.transcript.record(seq) for seq in proposal.verbatim)
    said = ((record.seq, record.entry) for record in records if record is not None)
    return [text_of(edits.get(seq, entry.parts)) for seq, entry in said if isinstance(entry, UserSaid)]


def _acts(stage: "Stage", session: "Session") -> Acts:
    composer, writing = stage.panes.composer, stage.workspace.writing

    async def accept(proposal: Proposal, summary: str | None, pinned: tuple[str, ...]) -> None:
        await session.folding.accept(proposal, summary, pinned)

    async def score(proposal: Proposal, summary: str, pinned: tuple[str, ...]) -> Score:
        return await session.folding.score(proposal, summary, pinned)

    async def edit_outside(text: str) -> str:
        editor = writing.editor()
        with away(stage.app):
            return await writing.edit_outside(editor, text)

    def pass_on(event: "events.Key | events.Paste") -> None:
        from textual import events

        if isinstance(event, events.Key):
            composer.take_key(event)
        else:
            composer.take_paste(event)

    return Acts(accept, score, edit_outside, lambda: session.folding.owed, lambda: composer.last_typed, pass_on)
