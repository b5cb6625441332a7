"""The way to the screen of /permissions: the rules as they are now, and what can be done with them."""

import asyncio
from typing import TYPE_CHECKING

from flowchat.tools.rules import Effect, Rule, Scope
from flowchat.ui.permissions_screen import PermissionsScreen, Rulings, Standing

if TYPE_CHECKING:
    from flowchat.runtime.session import Session
    from flowchat.ui.stage import Stage

WAITS = "waits until this folder is trusted: /trust"


def show_permissions(stage: "Stage", session: "Session") -> None:
    permits = stage.workspace.permits(session)
    book = permits.book

    def look() -> Standing:
        standing = book.standing()
        counting = [(rule, "") for rule in (*standing.rules, *permits.grants)]
        problems = tuple((problem.origin, problem.sentence) for problem in standing.problems)
        return Standing((*counting, *((rule, WAITS) for rule in standing.waiting)), problems)

    async def add(text: str, effect: Effect, scope: Scope) -> Rule:
        return await asyncio.to_thread(book.add, text, effect, scope)

    async def remove(rule: Rule) -> bool:
        if rule.origin.scope == "session":
            return permits.withdraw(rule)
        return await asyncio.to_thread(book.remove, rule)

    places: list[tuple[Scope, str]] = [(scope, book.place(scope)) for scope in book.scopes()]
    rulings = Rulings(look, book.checked, add, remove, tuple(places))
    stage.app.push_screen(PermissionsScreen(stage.palette, rulings, session.mode, stage.keymap))
