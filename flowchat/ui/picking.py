"""The screens opened on top of the chat: sessions, earlier messages, context, help. Loaded when the first is asked for."""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from msgspec.structs import replace

from flowchat.transcript.entries import Record
from flowchat.transcript.times import midnight
from flowchat.ui.context_screen import ContextScreen, totals
from flowchat.ui.cost_screen import CostScreen
from flowchat.ui.found_sessions import FoundSessions
from flowchat.ui.help_screen import HelpScreen
from flowchat.ui.keymap import FILE_NAME
from flowchat.ui.keys_screen import KeysScreen
from flowchat.ui.menu_screen import Choice, MenuScreen, entries
from flowchat.ui.message_picker import Edit, MessagePicker, Said, Walk, numbered, said_on_branch
from flowchat.ui.sessions_screen import SessionsScreen, Shelf
from flowchat.ui.spending import Line, all_of, bill

if TYPE_CHECKING:
    from flowchat.runtime.session import Session
    from flowchat.ui.stage import Stage

RECENT_LIMIT = 10
"""Choices of the menu that stand first when it is opened again."""


def pick_session(stage: "Stage", chosen: Callable[[str], None]) -> None:
    """Tell `chosen` the id of the session picked, if one is."""

    archive = stage.workspace.archive
    here = stage.session

    async def load(everywhere: bool) -> FoundSessions:
        return await asyncio.to_thread(lambda: FoundSessions(stage.workspace.cards(everywhere)))

    async def rename(sid: str, title: str) -> None:
        if here is not None and sid == here.sid:
            await here.rename(title)
            stage.show_standing()
        else:
            await archive.rename(sid, title)

    async def restore(name: str) -> str:
        return (await archive.restore(name)).sid

    def closed(sid: str | None) -> None:
        if sid is not None:
            chosen(sid)

    shelf = Shelf(load, archive.held, archive.bytes_of, rename, archive.trash, restore, "" if here is None else here.sid)
    stage.app.push_screen(SessionsScreen(stage.palette, shelf, _now_ms(), keymap=stage.keymap), closed)


def pick_message(
    stage: "Stage", session: "Session", number: str, edit: Callable[[Said], None], walk: Callable[[int], None]
) -> None:
    """Tell `edit` which message of the branch is to be edited, or `walk` to which other one to go. A `number` picks at once.

    Raises NotFound.
    """
    messages = said_on_branch(session.user_messages(), session.transcript.records())
    if number:
        edit(numbered(messages, number))
        return

    def closed(choice: Edit | Walk | None) -> None:
        match choice:
            case Edit(said):
                edit(said)
            case Walk(to):
                walk(to)
            case None:
                pass

    stage.app.push_screen(MessagePicker(stage.palette, messages, _now_ms(), keymap=stage.keymap), closed)


def show_context(stage: "Stage", session: "Session", raw: bool) -> None:
    """Show the map of the next request, or (`raw`) the whole of it; without a model the totals."""
    context, transcript, used = session.context, session.transcript, session.context.used
    if raw or used is None:
        text = session.request_text() if raw else ""
        stage.app.push_screen(ContextScreen(stage.palette, "Context", totals(used, transcript.facts), text, stage.keymap))
        return
    from flowchat.ui.context_map import Access, ContextMap
    from flowchat.ui.context_rows import Map, mapped

    inside = f"{session.workspace_path}/"

    def look() -> Map:
        rows = context.rows()
        named = {place: row.title.removeprefix(inside) for place, row in enumerate(rows) if row.kind in ("instructions", "skill")}
        for place, title in named.items():
            rows[place] = replace(rows[place], title=title)
        return mapped(rows, context.used or used)

    def at_ms(node: int) -> int | None:
        record = transcript.record(node)
        return None if record is None else record.at_ms

    access = Access(
        look,
        lambda ref, change: context.effect((ref,), change),
        context.last,
        lambda ref, change: context.set((ref,), change),
        context.undo,
        context.text,
        at_ms,
        context.may_change,
        lambda happened: session.watch(lambda heard: happened() if isinstance(heard.event, Record) else None),
    )
    stage.app.push_screen(ContextMap(stage.palette, access, _now_ms(), stage.keymap))


def search_history(stage: "Stage") -> None:
    """Put what is chosen of all that was written into the composer; what is there goes into the history."""
    from flowchat.ui.history_screen import HistoryScreen

    def closed(text: str | None) -> None:
        composer = stage.panes.composer
        composer.focus()
        if text is not None:
            stage.remember(composer.text)
            composer.clear()
            composer.load(text)

    load = partial(asyncio.to_thread, stage.workspace.writing.history)
    stage.app.push_screen(HistoryScreen(stage.palette, load, str(stage.workspace.path), _now_ms(), stage.keymap), closed)


def show_menu(stage: "Stage", chosen: Callable[[Choice], None]) -> None:
    """Tell `chosen` what was chosen of all there is, if something is."""

    def closed(choice: Choice | None) -> None:
        if choice is not None:
            name = choice.entry.name
            stage.recent[:] = [name, *(other for other in stage.recent if other != name)][:RECENT_LIMIT]
            chosen(choice)

    stage.app.push_screen(MenuScreen(stage.palette, stage.keymap, entries(stage.keymap, stage.recent)), closed)


def show_cost(stage: "Stage", session: "Session") -> None:
    async def today() -> Line | None:
        return all_of(await stage.workspace.archive.used_since(midnight(_now_ms())), session.sid)

    stage.app.push_screen(CostScreen(stage.palette, bill(session.transcript.records(), _now_ms()), stage.keymap, today))


def show_cache(stage: "Stage", session: "Session") -> None:
    from flowchat.agent.cache import Segment, diagnose, segments
    from flowchat.ui.cache_screen import CacheScreen, Found

    records = session.transcript.records()

    async def find() -> Found:
        asked = await asyncio.to_thread(diagnose, records)
        runs = {record.seq: number for number, record in enumerate((one for one in records if one.type == "run_started"), 1)}
        models = {one.model for one in asked if one.model}
        return Found(asked, runs, {name: stage.workspace.facts_of(session, name) for name in models})

    async def parts(line: int) -> list[Segment]:
        return await asyncio.to_thread(segments, records, line)

    stage.app.push_screen(CacheScreen(stage.palette, find, parts, _now_ms(), stage.keymap))


def show_jobs(stage: "Stage", session: "Session") -> None:
    from flowchat.ui.jobs_screen import JobsScreen

    background = session.background

    def end(number: int) -> None:
        stage.errands.run(background.end(number), brief=False, doing="Ending the job")

    screen = JobsScreen(stage.palette, background.shown, background.output, end, background.now_ms, stage.keymap)
    stage.app.push_screen(screen)


def show_keys(stage: "Stage") -> None:
    folders = stage.workspace.folders
    stage.app.push_screen(KeysScreen(stage.palette, stage.keymap, folders and folders.config / FILE_NAME))


def show_help(stage: "Stage") -> None:
    stage.app.push_screen(HelpScreen(stage.palette, stage.keymap))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
