"""The entry point of `flowchat` and `python -m flowchat`; nothing is imported from the current folder, no program run."""

import gc
import os
import sys
from contextlib import suppress


def main() -> int:
    """Run the command line and give its exit code.

    Nothing is collected until a front end has begun: what loading makes is there to stay.
    """
    gc.disable()
    _fill_closed_descriptors()
    try:
        here = os.getcwd()
    except FileNotFoundError:
        here = ""
    sys.path[:] = [entry for entry in sys.path if entry not in ("", here)]
    _look_for_programs_at_fixed_places()
    try:
        from flowchat import cli

        code = cli.main(sys.argv[1:])
    except KeyboardInterrupt:
        code = 130
    gc.freeze()  # a last collection over all that litellm loads would cost half a second
    _give_up_what_cannot_be_printed()
    return code


def _look_for_programs_at_fixed_places() -> None:
    """Take out of PATH what means another folder wherever we stand: libraries start programs, too (platform runs uname)."""
    if path := os.environ.get("PATH"):
        entries = [entry for entry in path.split(os.pathsep) if os.path.isabs(entry)]
        os.environ["PATH"] = os.pathsep.join(entries) or os.defpath


def _fill_closed_descriptors() -> None:
    """Put /dev/null, for reading only, where stdin, stdout or stderr is closed.

    Else the next file opened would get its number, and with that what is printed. Printing still fails, as it should.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDONLY)


def _give_up_what_cannot_be_printed() -> None:
    """Leave nothing to print that a reader who is gone or full does not take.

    Else the interpreter tries once more at its end and exits with 120, whatever the exit code was (Py_FinalizeEx).
    """
    for stream in filter(None, (sys.stdout, sys.stderr)):
        try:
            stream.flush()
        except OSError:
            with suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


if __name__ == "__main__":
    sys.exit(main())
