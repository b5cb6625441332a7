"""Threads for disk work that may take arbitrarily long: neither the loop nor the end of the process waits for them."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


async def aside(act: Callable[[], T]) -> T:
    """What `act` gives or raises, from a thread of its own; whoever is cancelled leaves it to itself."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def run() -> None:
        try:
            result = act()
        except BaseException as error:  # whoever waits is told, whatever it is
            tell(_fail, done, error)
        else:
            tell(_give, done, result)

    def tell(how: Callable[..., None], *given: object) -> None:
        with suppress(RuntimeError):  # a loop that is gone needs to know nothing
            loop.call_soon_threadsafe(how, *given)

    threading.Thread(target=run, name="flowchat-disk", daemon=True).start()
    return await done


def _give(done: "asyncio.Future[T]", result: T) -> None:
    if not done.done():
        done.set_result(result)


def _fail(done: "asyncio.Future[T]", error: BaseException) -> None:
    if not done.done():
        done.set_exception(error)
