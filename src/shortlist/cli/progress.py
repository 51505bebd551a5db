"""A running bench on stderr: two live lines on a terminal, one dated line per block elsewhere."""

import sys
from collections.abc import Iterable
from statistics import median
from types import TracebackType
from typing import Any, Self

from shortlist import units
from shortlist.bench.again import STAYS_BUSY
from shortlist.bench.progress import BlockOver, BlockStarted, ErrorKnown, LookTaken, Measured, Told, Warned
from shortlist.cli.looks import LookTeller, cells_after
from shortlist.cli.output import plain, say, wants_ascii, wants_colour
from shortlist.clock import SYSTEM, local_hms
from shortlist.records import Block, Candidate, Plan, Sample
from shortlist.report.selftest import error_words
from shortlist.results.metrics import is_complete, latency_ns, output_tokens_per_s

_REFRESHES_PER_S = 4
_SHOWN_EVERY_NS = 10**9 // _REFRESHES_PER_S


class Medians:
    """`1.24 s   31.0 tok/s`, over the finished requests of a block so far; keeps two numbers of each, not the text."""

    def __init__(self, samples: Iterable[Sample] = ()) -> None:
        self._latencies: list[int] = []
        self._speeds: list[float] = []
        for sample in samples:
            self.take(sample)

    def take(self, sample: Sample) -> None:
        """One more request."""
        latency, speed = latency_ns(sample), output_tokens_per_s(sample)
        if latency is not None:
            self._latencies.append(latency)
        if speed is not None:
            self._speeds.append(speed)

    def __str__(self) -> str:
        parts = [units.duration(median(self._latencies)).rjust(8)] if self._latencies else []
        parts += [f"{units.rate(median(self._speeds))} tok/s".rjust(12)] if self._speeds else []
        return "  ".join(parts)


def block_line(candidate: Candidate, block: Block, samples: tuple[Sample, ...], width: int) -> str:
    """What a finished block came to, in one line."""
    good = [s for s in samples if is_complete(s)]
    counted = f"{len(good)}/{len(samples)}"
    line = f"round {block.round:<3} {candidate.label:<{width}}  {counted:>7}"
    if block.load_ns is not None:
        line += f"   load {units.duration(block.load_ns):>8}"
    if good:
        line += f"   {Medians(good)}"
    if block.state == "cut" and good:
        line += "   run again"
    elif disturbed := sum(bool(s.causes) for s in samples):
        line += f"   ! {disturbed} disturbed"
    if block.error is not None:
        line += f"   {block.state}: {block.error.message.splitlines()[0][:120]}"
    return line.rstrip()


def error_line(told: ErrorKnown) -> str:
    """How far the numbers to come may be off."""
    return f"Error   self-test: {error_words(told.error)}"


class News:
    """Lets a warning pass once; what is done about a disturbance each time, for the line of its block comes later.

    That the host stays busy is one warning whatever its numbers: the lines of blocks go on to say it.
    """

    def __init__(self) -> None:
        self._told: set[str] = set()

    def is_news(self, told: Warned) -> bool:
        """Whether it is worth a line."""
        key = STAYS_BUSY if told.text.endswith(STAYS_BUSY) else told.text
        is_news = key not in self._told or (key != STAYS_BUSY and " disturbed (" in key)
        self._told.add(key)
        return is_news


class LineProgress:
    """For logs and CI: a dated line per block, no carriage return, no colour.

    `tells_error`: whether the measuring error is worth a line; it was told already where a run goes on. `news`: what
    was told already by those before.
    """

    def __init__(self, plan: Plan, *, tells_error: bool = True, news: News | None = None) -> None:
        self._tells_error, self._warnings = tells_error, news or News()
        self._width = max(len(c.label) for c in plan.candidates)
        self._looks = LookTeller(plan)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __call__(self, told: Told) -> None:
        """Print what is worth a line."""
        if isinstance(told, BlockOver):
            say(f"{local_hms()} {block_line(told.candidate, told.block, told.samples, self._width)}")
        elif isinstance(told, LookTaken):
            for line in self._looks.lines(told.race, told.look):
                say(f"{local_hms()} {line}")
        elif isinstance(told, ErrorKnown) and self._tells_error:
            say(error_line(told))
        elif isinstance(told, Warned) and self._warnings.is_news(told):
            say(f"{local_hms()} warning: {told.text}")


class LiveProgress:
    """For a terminal: finished blocks scroll, two lines stay live. Imports rich, which takes its time."""

    def __init__(self, plan: Plan, cells_left: int, estimate_ns: float) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        self._width = max(len(c.label) for c in plan.candidates)
        self._plan, self._looks, self._warnings = plan, LookTeller(plan), News()
        self._is_ascii = wants_ascii(asked=False, stream=sys.stderr)
        console = Console(stderr=True, no_color=not wants_colour(sys.stderr), highlight=False, safe_box=self._is_ascii)
        columns = (TextColumn("{task.description}"), BarColumn(bar_width=None), MofNCompleteColumn())
        self._progress = Progress(
            *columns,
            TextColumn("{task.fields[note]}"),
            console=console,
            transient=True,
            expand=True,
            refresh_per_second=_REFRESHES_PER_S,
        )
        self._block: Any = self._progress.add_task("", total=None, note="")
        self._all: Any = self._progress.add_task(f"{'all':<{self._width + 10}}", total=cells_left, note="")
        self._medians = Medians()
        self._left, self._done, self._shown_ns = cells_left, 0, 0
        self._seen: set[str | None] = set()
        self._estimate_ns, self._began_ns = estimate_ns, SYSTEM.now_ns()

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def __call__(self, told: Told) -> None:
        """Move the two lines; print what is finished above them."""
        if isinstance(told, BlockStarted):
            self._medians, self._seen = Medians(), set()
            text = f"round {told.planned.round:<3} {told.candidate.label:<{self._width}}"
            self._progress.reset(self._block, description=text, total=len(told.planned.cells), note="loading")
        elif isinstance(told, Measured) and told.sample.phase == "measure":
            self._medians.take(told.sample)
            self._count(told.sample.cell)
            self._show_notes()
        elif isinstance(told, BlockOver):
            if told.block.state == "cut":  # it is run again whole
                self._done -= len(self._seen)
                self._progress.update(self._all, completed=self._done)
            self._print(block_line(told.candidate, told.block, told.samples, self._width))
        elif isinstance(told, LookTaken):
            for line in self._looks.lines(told.race, told.look):
                self._print(line)
            self._left = self._done + cells_after(self._plan, told.look)
            self._progress.update(self._all, total=self._left)
        elif isinstance(told, ErrorKnown):
            self._print(error_line(told))
        elif isinstance(told, Warned) and self._warnings.is_news(told):
            self._print(f"! {told.text}")

    def _count(self, cell: str | None) -> None:
        """A cell that is measured again does not count twice."""
        if cell not in self._seen:
            self._seen.add(cell)
            self._done += 1
            self._progress.advance(self._block)
            self._progress.advance(self._all)

    def _print(self, text: str) -> None:
        self._progress.console.print(plain(text) if self._is_ascii else text, markup=False, soft_wrap=True)

    def _show_notes(self) -> None:
        """Not with every request: a median over the block costs more than the request did."""
        now_ns = SYSTEM.now_ns()
        if now_ns - self._shown_ns >= _SHOWN_EVERY_NS:
            self._shown_ns = now_ns
            self._progress.update(self._block, note=str(self._medians))
            self._progress.update(self._all, note=self._left_text())

    def _left_text(self) -> str:
        """Time left: the estimate at first, then more and more what was seen."""
        passed = SYSTEM.now_ns() - self._began_ns
        share = self._done / max(1, self._left)
        seen = passed / share * (1 - share) if share else self._estimate_ns
        planned = self._estimate_ns * (1 - share)
        return f"{units.about(seen * share + planned * (1 - share))} left"
