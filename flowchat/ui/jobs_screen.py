"""The programs that run in the background of the session: what each printed last, and the key that ends one."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from textual import events
from textual.app import ComposeResult
from textual.timer import Timer

from flowchat.transcript.clean import clean
from flowchat.ui.figures import many, seconds
from flowchat.ui.keymap import DEFAULT, Keymap
from flowchat.ui.listing import Column, Listing, Row
from flowchat.ui.palette import Palette
from flowchat.ui.prose import one_line, wrapped
from flowchat.ui.rows import Rows, foot_lines
from flowchat.ui.strips import Piece
from flowchat.ui.working_screen import WorkingScreen

if TYPE_CHECKING:
    from flowchat.tools.jobs import JobShown

LOOKS_PER_SECOND = 2
"""How often the jobs are looked at while one runs."""
NONE = "No jobs. The model starts one for a program that goes on: a server, a watcher, one that asks."


class JobsScreen(WorkingScreen[None], inherit_bindings=False):
    """Enter shows all that is held of a job's output, and the list again; k ends the chosen one; Esc closes."""

    def __init__(
        self,
        palette: Palette,
        jobs: "Callable[[], Sequence[JobShown]]",
        output: Callable[[int], str],
        end: Callable[[int], None],
        now_ms: Callable[[], int],
        keymap: Keymap = DEFAULT,
    ) -> None:
        """`jobs` in the order they are shown, `output` the end of what one printed, `end` begins to end one."""
        super().__init__()
        self._palette, self._jobs, self._output, self._end, self._now_ms = palette, jobs, output, end, now_ms
        self._keymap, self._acts = keymap, keymap.acts("list")
        self._shown: Sequence[JobShown] = ()
        self._is_open = False
        self._looking: Timer | None = None

    def compose(self) -> ComposeResult:
        palette = self._palette
        yield Rows(palette, lambda width: [[(self._heading(), palette.text + palette.bold)], []])
        yield Listing(palette, (Column("text"), Column("accent"), Column("dim", "right"), Column("dim", "right"))).add_class(
            "fills"
        )
        yield Rows(palette).add_class("output")
        yield Rows(palette, lambda width: foot_lines(width, self._hints(), palette)).add_class("foot")

    def on_mount(self) -> None:
        self._looking = self.set_interval(1 / LOOKS_PER_SECOND, self.look)
        self._arrange()
        self.look()

    def look(self) -> None:
        """Show how the jobs stand now."""
        jobs, listing = list(self._jobs()), self.query_one(Listing)
        if self._looking is not None and not any(job.runs for job in jobs):
            self._looking.stop()
            self._looking = None
        at = next((index for index, job in enumerate(jobs) if listing.chosen and job.number == listing.chosen.key), len(jobs) - 1)
        self._shown = jobs
        listing.show([self._row(job) for job in jobs], at)
        self._show_output()

    def on_key(self, event: events.Key) -> None:
        listing, act = self.query_one(Listing), self._acts.get(event.key)
        event.stop()
        if event.key in self._keymap.keys("jobs", "end"):
            if (job := self._chosen()) is not None and job.runs:
                self._end(job.number)
        elif act == "close" and self._is_open:
            self._open(False)
        elif act == "close":
            self.dismiss(None)
        elif act == "choose":
            self._open(not self._is_open)
        elif act is not None and self._is_open:
            self.query_one(".output", Rows).act(act)
        elif act is not None and listing.act(act):
            self._show_output()

    def on_listing_picked(self) -> None:
        self._show_output()

    def on_listing_walked(self) -> None:
        self._show_output()

    # --- inside ------------------------------------------------------------------------------------------------------
    def _chosen(self) -> "JobShown | None":
        return self._shown[self.query_one(Listing).chosen_index] if self._shown else None

    def _open(self, is_open: bool) -> None:
        self._is_open = is_open and bool(self._shown)
        self._arrange()
        self._show_output()

    def _arrange(self) -> None:
        """The output has the place of the list, or some lines below it."""
        output = self.query_one(".output", Rows)
        self.query_one(Listing).display = not self._is_open
        output.set_class(self._is_open, "fills")
        output.set_class(not self._is_open, "preview")
        for rows in self.query(Rows):
            rows.draw_again()

    def _heading(self) -> str:
        job = self._chosen() if self._is_open and self.is_mounted else None
        return "  Jobs" if job is None else f"  {job.number}  {one_line(clean(job.command))}"

    def _hints(self) -> tuple[str, ...]:
        hint = self._keymap.hint
        back = hint("list", "back" if self._is_open else "close", "close")
        looks = hint("list", "scroll", "up", "down", "page_down") if self._is_open else hint("list", "output", "choose")
        job = self._chosen() if self.is_mounted else None
        return (looks, hint("jobs", "end it", "end") if job is not None and job.runs else "", back)

    def _row(self, job: "JobShown") -> Row:
        span = seconds(max(0, (job.ended_ms or self._now_ms()) - job.began_ms) / 1000)
        printed = many(job.lines, "line") if job.lines else ""
        return Row(job.number, (f"{job.number:>2}  {one_line(clean(job.command))}", job.end or "running", span, printed))

    def _show_output(self) -> None:
        job, palette = self._chosen(), self._palette
        text = NONE if job is None else clean(self._output(job.number), drop_colours=True).rstrip("\n")
        told = text or "Nothing printed yet."

        def draw(width: int) -> list[list[Piece]]:
            lines: list[list[Piece]] = [
                [("  ", palette.text), (part, palette.text if text else palette.dim)]
                for line in told.split("\n")
                for part in wrapped(line, width - 4)
            ]
            if self._is_open or job is None:
                return lines
            room = self.query_one(".output", Rows).size.height or 1
            return [[(palette.glyphs.rule * width, palette.dim)], *lines[1 - room :]] if room > 1 else lines[-1:]

        output = self.query_one(".output", Rows)
        was_at_end = output.is_at_end
        if self._is_open:
            output.draw_anew(draw)
            if was_at_end:
                output.act("last")
        else:
            output.show(draw)
        self.query_one(".foot", Rows).draw_again()
