"""How a program is started: its words, its environment and what it inherits; whoever confines programs fills it in."""

import os
from collections.abc import Callable, Mapping

from msgspec import Struct


class Spawn(Struct, frozen=True):
    """`argv` begins with the program. `env` None: `child_environment` of ours; the call's mark is added to either.

    `pass_fds` are inherited under the same numbers and are closed here once the program has started or failed to; whoever
    does not come to start it lets go of them. `preexec`
    is called in the child just before the program takes its place, where only async-signal-safe work is sound.
    `wrapped`: the program started is a shell around the one meant, and would take it down with it: asked to end, those below
    it are asked; it is killed like any other.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] | None = None
    pass_fds: tuple[int, ...] = ()
    preexec: Callable[[], None] | None = None
    wrapped: bool = False

    def let_go(self) -> None:
        """Close what it would inherit."""
        for descriptor in self.pass_fds:
            os.close(descriptor)
