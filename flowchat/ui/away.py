"""The terminal left to another program for a while."""

from asyncio import CancelledError
from collections.abc import Generator
from contextlib import contextmanager

from textual.app import App


@contextmanager
def away(app: App[int]) -> Generator[None]:
    """Within, the terminal is as it was before the app, and the loop goes on; afterwards the app has it again.

    So it is after an error, too, but not where what is done within is cancelled: then the app is leaving.
    """
    if app.is_headless:
        yield
        return
    refused: Exception | None = None
    with app.suspend():  # it comes back from no error
        try:
            yield
        except CancelledError:
            raise
        except Exception as error:
            refused = error
    if refused is not None:
        raise refused
