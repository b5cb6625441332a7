"""All rules there are in one workspace: of the user, the project and the command line, read again when a file has changed."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from flowchat.errors import UsageError
from flowchat.store.permissions_file import Item, Written, add_item, read_written, remove_item
from flowchat.tools.idle_rules import where_it_leads, why_idle
from flowchat.tools.rules import ALIASES, EFFECTS, TOOLS, Effect, Ground, Origin, Rule, Scope, parse_rule

FILE_NAME, LOCAL_NAME = "permissions.toml", "permissions.local.toml"
PROJECT_FOLDER = ".flowchat"
TABLES_FOLDER = "programs"
FILE_SCOPES: tuple[Scope, ...] = ("user", "project", "local")

if TYPE_CHECKING:
    from flowchat.tools.tables import Table


class Problem(Struct, frozen=True):
    """Something in the rules that does not count, or does nothing."""

    origin: Origin
    sentence: str

    def __str__(self) -> str:
        return f"{self.origin}: {self.sentence}"


class Standing(Struct, frozen=True):
    """The rules as they are now: those in force, the strictest first; those of a project that allow, while it is not trusted.

    `blind`: why it is not known what is forbidden; nothing is allowed unasked then. `tables`: how the user says that programs
    only read.
    """

    rules: tuple[Rule, ...] = ()
    waiting: tuple[Rule, ...] = ()
    problems: tuple[Problem, ...] = ()
    blind: str = ""
    tables: "Mapping[str, Table]" = {}
    led: tuple[Rule, ...] = ()
    """Rules that forbid what lies below a link, once more for where it leads."""


class RuleBook:
    """Looks at its files before each answer: three calls of stat where nothing has changed."""

    def __init__(
        self,
        ground: Ground,
        user_file: Path | None = None,
        given: Sequence[Rule] = (),
        trusted: Callable[[], bool] = lambda: False,
    ) -> None:
        """`given` are the rules of the command line; `trusted`: whether the workspace's own rules may allow anything."""
        self.ground, self._given, self._trusted = ground, tuple(given), trusted
        folder = ground.workspace / PROJECT_FOLDER
        self._files: dict[Scope, Path] = {"project": folder / FILE_NAME, "local": folder / LOCAL_NAME}
        if user_file is not None:
            self._files["user"] = user_file
        self._tables = user_file.parent / TABLES_FOLDER if user_file is not None else None
        self._written: dict[Scope, tuple[object, Written]] = {}
        self._seen: object = None
        self._standing = Standing()

    @property
    def trusted(self) -> bool:
        return self._trusted()

    def standing(self) -> Standing:
        """As the files are at this moment. Raises nothing."""
        stamps: dict[Scope, object] = {scope: _stamp(file) for scope, file in self._files.items()}
        seen = (stamps, self._trusted(), self._tables_stamp())
        if seen != self._seen:
            for scope, stamp in stamps.items():
                if scope not in self._written or self._written[scope][0] != stamp or self._written[scope][1].unread:
                    self._written[scope] = stamp, read_written(self._files[scope])
            unread = any(written.unread for _, written in self._written.values())  # perhaps only for this moment
            self._standing, self._seen = self._made(seen[1]), None if unread else seen
        return self._standing

    def notice(self) -> tuple[str, ...]:
        """One sentence for all that does not count, if there is something."""
        problems = self.standing().problems
        more = f" (and {len(problems) - 1} more: /permissions)" if len(problems) > 1 else ""
        return (f"{problems[0]}{more}",) if problems else ()

    def place(self, scope: Scope) -> str:
        """A file as people read it: from the workspace, or from home."""
        file = self._files.get(scope)
        if file is None:
            return ""
        if scope != "user":
            return str(file.relative_to(self.ground.workspace))
        home = self.ground.home
        return f"~/{file.relative_to(home)}" if home is not None and file.is_relative_to(home) else str(file)

    def scopes(self) -> tuple[Scope, ...]:
        """Where a rule can be written down."""
        return tuple(scope for scope in FILE_SCOPES if scope in self._files)

    def checked(self, text: str, effect: Effect, scope: Scope) -> Rule:
        """The rule a text would be. Raises UsageError where it is none, or could do nothing."""
        rule = parse_rule(text, effect, Origin(scope, self.place(scope)))
        if why := why_idle(rule, self.standing().rules, self.ground):
            raise UsageError(f"{rule}: {why}")
        return rule

    def add(self, text: str, effect: Effect, scope: Scope) -> Rule:
        """Write a rule down. Blocks for the disk. Raises UsageError, StorageFailed."""
        rule = parse_rule(text, effect, Origin(scope, self.place(scope)))
        item = add_item(self._file(scope), effect, str(rule), links=scope == "user")
        return Rule(rule.tool, rule.spec, effect, Origin(scope, self.place(scope), item.line))

    def remove(self, rule: Rule) -> bool:
        """Take a rule out of its file; False where it is not there any more. Blocks. Raises UsageError, StorageFailed."""
        item = Item(rule.effect, str(rule), rule.origin.line)
        return remove_item(self._file(rule.origin.scope), item, links=rule.origin.scope == "user")

    def _file(self, scope: Scope) -> Path:
        if scope not in self._files:
            raise UsageError("no rule can be kept here: set HOME or FLOWCHAT_HOME to a folder")
        return self._files[scope]

    # --- putting together --------------------------------------------------------------------------------------------
    def _made(self, trusted: bool) -> Standing:
        problems: list[Problem] = []
        found = list(self._given)
        blind = ""
        for scope in self.scopes():
            written, place = self._written[scope][1], self.place(scope)
            if written.unread:
                blind = f"{place} cannot be read ({written.unread}), so nothing is allowed without asking"
                problems.append(Problem(Origin(scope, place), f"cannot be read ({written.unread}); every call asks"))
            problems += [Problem(Origin(scope, place, trouble.line), trouble.sentence) for trouble in written.troubles]
            found += _rules_in(written, scope, place, problems)
        waiting = [rule for rule in found if rule.effect == "allow" and not trusted and rule.origin.scope in ("project", "local")]
        in_force = [rule for effect in EFFECTS for rule in found if rule.effect == effect and rule not in waiting]
        for rule in found:
            if why := why_idle(rule, in_force, self.ground):
                problems.append(Problem(rule.origin, f"{rule}: {why}"))
        tables = self._tables_in(problems)
        led = tuple(more for rule in in_force if (more := where_it_leads(rule, self.ground)) is not None)
        return Standing(tuple(in_force), tuple(waiting), tuple(problems), blind, tables, led)

    def _tables_stamp(self) -> object:
        """What changes whenever a table of the user's does: nothing where there is no folder of them."""
        if self._tables is None or not self._tables.is_dir():
            return None
        return tuple((file.name, _stamp(file)) for file in sorted(self._tables.glob("*.toml")))

    def _tables_in(self, problems: list[Problem]) -> "Mapping[str, Table]":
        if self._tables is None or not self._tables.is_dir():
            return {}
        from flowchat.tools.tables import user_tables

        tables, bad = user_tables(self._tables)
        place = os.path.join(os.path.dirname(self.place("user")), TABLES_FOLDER)
        problems += [Problem(Origin("user", f"{place}/{one.file.name}", one.line), f"{one.what}; it is not used") for one in bad]
        return tables


def _rules_in(written: Written, scope: Scope, place: str, problems: list[Problem]) -> list[Rule]:
    """The rules of one file. One that was to forbid and is none makes its tool ask: it never allows more than was meant."""
    rules: list[Rule] = []
    for item in written.items:
        origin = Origin(scope, place, item.line)
        try:
            rules.append(parse_rule(item.text, item.effect, origin))
        except UsageError as error:
            tool = item.text.strip().partition("(")[0].strip()
            asks = item.effect != "allow" and (tool in TOOLS or tool in ALIASES)
            rules += [Rule(tool, None, "ask", origin)] if asks else []
            problems.append(Problem(origin, f"{error}" + (f"; until it is corrected every {tool} call asks" if asks else "")))
    return rules


def _stamp(file: Path) -> object:
    """What changes whenever a file does."""
    try:
        found = os.stat(file)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return error.errno
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino
