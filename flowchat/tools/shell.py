"""shell: a command line given to bash in the workspace, its output live, its whole process tree ended with it."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from flowchat.errors import StorageFailed
from flowchat.tools.arguments import boolean, fill, integer, schema, string
from flowchat.tools.bounds import cut, named, unkept
from flowchat.tools.confining import Confined, reached, run_confined, told_of
from flowchat.tools.descent import PROCESS_LIMIT
from flowchat.tools.jobs import Jobs
from flowchat.tools.process import Ended, find_program
from flowchat.tools.recording import WHOLE_LIMIT_BYTES, Recording
from flowchat.tools.sandbox import Confinement
from flowchat.tools.tool import BadArguments, Desk, NotDone, Outcome, Reach, Unprotectable, Walled
from flowchat.tools.wanting import END_BYTES, wanted
from flowchat.transcript.entries import BlobRef
from flowchat.transcript.events import Preview

if TYPE_CHECKING:
    from flowchat.tools.outward import Outward

TIMEOUT_SECONDS = 120.0
LONGEST_TIMEOUT_SECONDS = 600
_NAMES_SHOWN = 5
_TITLES = {
    None: "Run this command?",
    "network": "Run this again with the network on?",
    "outside": "Run this again outside the sandbox?",
}


class _Args(Struct):
    command: str
    timeout_seconds: int = 0
    background: bool = False


class Shell:
    read_only = False
    schema = schema(
        "shell",
        "Run a command with bash in the workspace; gives stdout and stderr. No terminal, no input; what it leaves running is"
        " ended too.",
        {"command": string()},
        {
            "timeout_seconds": integer(f"At most {LONGEST_TIMEOUT_SECONDS}"),
            "background": boolean("Start it as a job that goes on (servers, watchers, programs that ask): answers at once"),
        },
    )

    def __init__(
        self,
        timeout_seconds: float = TIMEOUT_SECONDS,
        confinement: Confinement | None = None,
        jobs: Jobs | None = None,
        outward: "Outward | None" = None,
    ) -> None:
        """`timeout_seconds` holds for calls that name none. Commands run within `confinement` where there are walls.

        Without `jobs` nothing can go on in the background; `outward` says which domains they reach from the full sandbox.
        """
        self._timeout_seconds = timeout_seconds
        self._confinement, self._jobs, self._outward = confinement, jobs, outward

    def reach(self, args: Mapping[str, object], workspace: Path) -> Reach:
        return Reach("run", command=self._given(args).command)

    def preview(self, args: Mapping[str, object], desk: Desk) -> Preview:
        given = self._given(args)
        lasts = ("in the background", "until it ends or the session does") if given.background else None
        lines = (("in", str(desk.workspace)), lasts or ("for at most", f"{self._seconds(given):g} s"))
        walls = (("sandbox", told),) if (told := told_of(self._confinement, desk.beyond, self._outward)) else ()
        return Preview(_TITLES[desk.beyond], (*lines, *walls), given.command)

    async def run(self, args: Mapping[str, object], desk: Desk) -> Outcome:
        given = self._given(args)
        seconds = self._seconds(given)
        try:
            variables = _variables(given.command, desk.workspace)
            if given.background:
                return await self._begin(given.command, desk, variables)
            found = await run_confined([*_shell(), given.command], desk, seconds, self._confinement, variables, self._outward)
        except Unprotectable as error:
            return Outcome("not run", f"not run: {error}", "error", walled=Walled("outside", str(error)))
        ended, walled, passed_over = found
        try:
            printed, blob = await _printed(ended.recording, desk)
        finally:
            ended.recording.close()
        ended_alone = ended.status is not None and walled is None
        wants = wanted(given.command, ended.status or 0, _end(ended.recording)) if ended_alone else None
        notes = [*_notes(ended, seconds), *(f"[{said}]" for said in (wants, passed_over) if said)]
        content = "\n".join(part for part in (printed.removesuffix("\n"), *notes) if part) or "[no output]"
        short = "".join(f", {said.partition(':')[0]}" for said in (wants, passed_over) if said)
        summary = f"{_summary(ended, seconds)}{short}"
        return Outcome(summary, content, "ok" if ended.status == 0 else "error", blob=blob, walled=walled)

    async def _begin(self, command: str, desk: Desk, variables: Mapping[str, str]) -> Outcome:
        if self._jobs is None:
            raise NotDone("nothing can be started in the background here")
        if (walled := self._jobs.wall(command, desk.beyond)) is not None:
            return Outcome("not started", "[not started]", "error", walled=walled)
        walls = Confined([*_shell(), command], desk, self._confinement, variables, self._outward)
        number = (await self._jobs.start(command, walls, desk.workspace, walls.walled)).number
        said = (
            f"started as job {number}; job_output gives what it prints, job_input writes to its stdin, job_kill ends it."
            " You are told when it ends; it ends with the session at the latest."
        )
        if "no network" in told_of(self._confinement, desk.beyond):
            domains = reached(self._confinement, self._outward) if self._confinement is not None else ""
            said += f" It has no network{' but ' + domains if domains else ''}: what it serves, only its own processes can reach."
        return Outcome(f"job {number} started", said)

    def _seconds(self, given: _Args) -> float:
        return float(given.timeout_seconds) if given.timeout_seconds else self._timeout_seconds

    def _given(self, args: Mapping[str, object]) -> _Args:
        given = fill(_Args, args)
        if not given.command.strip() or "\0" in given.command:
            raise BadArguments("the command is empty or contains a NUL byte")
        if given.background and given.timeout_seconds:
            raise BadArguments("a job in the background has no timeout_seconds; leave it out, and end the job with job_kill")
        if given.timeout_seconds > LONGEST_TIMEOUT_SECONDS:
            raise BadArguments(f"timeout_seconds may be at most {LONGEST_TIMEOUT_SECONDS}, not {given.timeout_seconds}")
        return given


def _shell() -> list[str]:
    """bash without the user's start-up files: what runs is what was shown."""
    program = "/bin/bash" if Path("/bin/bash").exists() else find_program("bash")
    if program is None:
        raise NotDone("there is no bash on this machine")
    return [program, "--noprofile", "--norc", "-c"]


def _variables(command: str, workspace: Path) -> Mapping[str, str]:
    """What keeps a command that only reads from more than that; loaded with the first command."""
    from flowchat.tools.command import judge_command
    from flowchat.tools.only_reading import variables_for

    return variables_for(judge_command(command, str(workspace)))


async def _printed(recording: Recording, desk: Desk) -> tuple[str, BlobRef | None]:
    """The output as far as it is text; beyond what memory holds its two ends, and the whole in a blob."""
    if recording.binary:
        text = recording.head
        notice = f"[binary output, {recording.total_bytes:,} bytes: not shown and not kept]"
        return f"{text}\n{notice}" if text else notice, None
    if recording.complete:
        return recording.head, None
    blob = None
    where = "the rest could not be kept: the disk refused it"
    if (whole := recording.whole()) is not None:
        try:
            blob = await desk.keep(whole, "text/plain")
            where = named(blob) if blob.bytes == recording.total_bytes else _first_part(blob)
        except StorageFailed as error:
            where = unkept(error)
    return cut(recording.head, recording.tail, recording.total_bytes, recording.lines, where), blob


def _end(recording: Recording) -> str:
    return "" if recording.binary else recording.end(END_BYTES)


def _first_part(blob: BlobRef) -> str:
    return f"its first {WHOLE_LIMIT_BYTES >> 20} MiB are blob:{blob.sha256}, which read_file reads by lines"


def _notes(ended: Ended, seconds: float) -> list[str]:
    notes: list[str] = []
    if ended.crowded:
        notes.append(f"[ended: it had more than {PROCESS_LIMIT:,} processes at a time]")
    elif ended.timed_out:
        notes.append(f"[not finished after {seconds:g} s: ended]")
    elif ended.status is not None and ended.status < 0:
        notes.append(f"[ended by signal {-ended.status}]")
    elif ended.status:
        notes.append(f"[exit {ended.status}]")
    if ended.left:
        names = ", ".join(ended.left[:_NAMES_SHOWN]) + (", …" if len(ended.left) > _NAMES_SHOWN else "")
        notes.append(f"[left running and ended: {names}]")
    return notes


def _summary(ended: Ended, seconds: float) -> str:
    status = f"timeout after {seconds:g} s" if ended.timed_out else _exit(ended.status or 0)
    status = "too many processes" if ended.crowded else status
    if ended.recording.binary:
        return f"{status}, binary"
    lines = ended.recording.lines
    return f"{status}, {lines:,} {'line' if lines == 1 else 'lines'}" if lines else status


def _exit(status: int) -> str:
    return f"signal {-status}" if status < 0 else f"exit {status}"
