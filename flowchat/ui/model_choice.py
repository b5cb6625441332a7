"""Choosing the model on the screen: the card, and what becomes of what is taken there."""

from typing import TYPE_CHECKING

from flowchat.errors import FlowchatError
from flowchat.ui.model_screen import ModelScreen, Taken
from flowchat.ui.prose import one_line

if TYPE_CHECKING:
    from flowchat.runtime.session import Session
    from flowchat.ui.stage import Stage


async def pick_model(stage: "Stage", session: "Session") -> None:
    """Let one of the models be chosen; it answers from the next run on, and in sessions to come."""

    def closed(taken: Taken | None) -> None:
        if taken is not None:
            stage.errands.run(take_model(stage, taken))

    screen = ModelScreen(stage.palette, stage.keymap, stage.workspace.choosing, stage.copy, session.model)
    stage.app.push_screen(screen, closed)


async def take_model(stage: "Stage", taken: Taken) -> None:
    """Use a model here and keep it in the settings. Raises ReadOnly; then it is kept all the same."""
    name, workspace = one_line(taken.model), stage.workspace
    trouble = ""
    try:
        said = [await workspace.keep_setting(f"models.{taken.model}.api_base", taken.api_base)] if taken.api_base else []
        said.append(await workspace.keep_setting("model", taken.model))
        trouble = next(filter(None, said), "")
    except FlowchatError as error:
        trouble = f"{name} answers in this session only: {error}"
    session = await stage.visit.current()
    await session.set_model(taken.model)
    stage.show_standing()
    await stage.greet()
    first = workspace.choosing.offers(())[0]
    if not trouble and first.model != taken.model:
        trouble = f"{name} answers here from now on; in other sessions not: {one_line(first.sentence)}"
    stage.say(trouble or f"{name} answers from now on", "warning" if trouble else "info")
