"""Finds where names lead, in threads of its own: a server of names that does not answer holds up nobody else, nor our end."""

import asyncio
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeAlias

Address: TypeAlias = tuple[str, int]
"""A numeric address and a port."""
LOOKUPS_LIMIT = 4
"""At a time; more wait until one has ended, which the system gives up on after some seconds."""


def found_by_system(host: str, port: int) -> Sequence[Address]:
    """Raises OSError, UnicodeError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys((str(address[0]), int(address[1])) for *_, address in found))


class Lookups:
    """`look` finds the addresses of a host, as this machine does; it may take its time."""

    def __init__(self, look: Callable[[str, int], Sequence[Address]] = found_by_system) -> None:
        self._look, self._free = look, asyncio.Semaphore(LOOKUPS_LIMIT)

    async def resolve(self, host: str, port: int) -> Sequence[Address]:
        """Raises what `look` does, OSError or UnicodeError, and OSError where there is no thread to be had; cancelled, it leaves
        its thread to itself."""
        await self._free.acquire()
        loop = asyncio.get_running_loop()
        found: asyncio.Future[Sequence[Address]] = loop.create_future()

        def run() -> None:
            try:
                result: Sequence[Address] | Exception = self._look(host, port)
            except Exception as error:  # whoever waits is told, whatever it is
                result = error
            with suppress(RuntimeError):  # a loop that is gone needs to know nothing
                loop.call_soon_threadsafe(tell, result)

        def tell(result: Sequence[Address] | Exception) -> None:
            self._free.release()
            if found.done():
                return
            if isinstance(result, Exception):
                found.set_exception(result)
            else:
                found.set_result(result)

        try:
            threading.Thread(target=run, name="flowchat-names", daemon=True).start()
        except RuntimeError as error:
            self._free.release()
            raise OSError(str(error)) from None
        return await found
