"""One answer at a time on a terminal, or line by line on a pipe.

Answers are strangers' text: what cannot be seen shows as an escape, and nothing in them reaches the terminal as a
command. A key is a line's first character, so that a pipe can answer too.
"""

import shutil
import sys
import textwrap
from statistics import median
from typing import TYPE_CHECKING

import click

from shortlist.cli.output import plain, wants_ascii
from shortlist.clock import monotonic_ns
from shortlist.report.escape import visible
from shortlist.units import about

if TYPE_CHECKING:
    from shortlist.quality.rating import Question, Rating

_HELP = """1 to 5  rate; it is kept before the next answer shows
u  undo the last rating      s  skip; it comes back when the rest is done
n  a note on this answer     r  the rubric in full
q  quit; go on later with the same command"""
_KEYS = "[1-5] rate  [u]ndo  [s]kip  [n]ote  [r]ubric  [q]uit (saved)  [?]  › "
_FEWEST_TO_ESTIMATE = 3


class Keys:
    """Where keys come from and where text goes. A terminal gives single keys; a pipe gives lines, its end is a quit."""

    def __init__(self, *, to_stderr: bool, is_ascii: bool) -> None:
        self._stream = sys.stderr if to_stderr else sys.stdout
        self._is_ascii = wants_ascii(is_ascii, self._stream)
        self._is_terminal = sys.stdin.isatty()
        self._rest = ""
        self.width = max(40, min(80, shutil.get_terminal_size().columns))

    def show(self, text: str, *, has_end: bool = True) -> None:
        """Text on the screen, which must be safe already."""
        click.echo(plain(text) if self._is_ascii else text, file=self._stream, nl=has_end)
        self._stream.flush()

    def key(self) -> str:
        """One key; `q` at the end of input. Raises KeyboardInterrupt on Ctrl-C."""
        self.show(_KEYS, has_end=False)
        if not self._is_terminal:
            line = sys.stdin.readline()
            self.show("")
            text = line.strip()
            self._rest = text[1:].strip()
            return text[:1].lower() if line else "q"
        try:
            pressed = click.getchar()
        except EOFError:
            pressed = "q"
        self.show(visible(pressed[:1], keep=""))
        return pressed[:1].lower()

    def rest(self) -> str:
        """What stood after the key on its line; nothing on a terminal."""
        return self._rest

    def line(self, asked: str) -> str:
        """A line of text; empty at the end of input."""
        self.show(asked, has_end=False)
        return sys.stdin.readline().strip()


def sit(rating: "Rating", rater: str, keys: Keys) -> None:
    """Ask until everything is rated or the rater quits. Raises StoreError, KeyboardInterrupt; all before is kept."""
    times: list[int] = []
    note = ""
    shown = None
    since = monotonic_ns()
    while (question := rating.next()) is not None:
        if question != shown:
            _show(question, rating, rater, keys, times)
            shown, note, since = question, "", monotonic_ns()
        key = keys.key()
        if key == "q":
            return
        if key in ("1", "2", "3", "4", "5") and not keys.rest():
            rating.rate(question, int(key), note)
            times.append(monotonic_ns() - since)
        elif key == "s":
            rating.skip(question, note)
        elif key == "u":
            if rating.undo() is None:
                keys.show("there is nothing to undo")
        elif key == "n":
            note = keys.rest() or keys.line("note: ")
        elif key == "r":
            _rubric(question, keys)
        else:
            keys.show(_HELP)


def _show(question: "Question", rating: "Rating", rater: str, keys: Keys, times: list[int]) -> None:
    output = question.item.output
    left = ""
    if len(times) >= _FEWEST_TO_ESTIMATE:
        left = f" · about {about(median(times) * (rating.total - rating.done))} left"
    keys.show(f"\n{rating.done + 1}/{rating.total}{left} · {rater}")
    keys.show(_beside("NOTE", output.source, keys.width))
    keys.show(_beside("ANSWER", output.text if output.text.strip() else "(an empty answer)", keys.width))
    keys.show("")
    keys.show(_scale(question, keys.width))


def _beside(head: str, text: str, width: int) -> str:
    """The text, visible and wrapped, beside its head."""
    lines = []
    for line in visible(text.replace("\t", "    ").strip("\n"), keep="\n").split("\n"):
        lines += textwrap.wrap(line, width - 8, break_on_hyphens=False) or [""]
    return "\n".join(f"{head if number == 0 else '':<8}{line}".rstrip() for number, line in enumerate(lines))


def _scale(question: "Question", width: int) -> str:
    """The rubric's words on the scale: in one line where they fit, else one below the other."""
    words = _words(question)
    dimension = visible(question.dimension, keep="")
    one_line = f"{dimension}  " + "  ".join(f"{value} {text}".rstrip() for value, text in words)
    if len(one_line) <= width:
        return one_line
    return "\n".join(
        [dimension, *(textwrap.fill(f"  {v} {text}", width, subsequent_indent="    ") for v, text in words)]
    )


def _words(question: "Question") -> list[tuple[str, str]]:
    rubric = question.item.output.rubric[question.dimension]
    return [(value, " ".join(visible(rubric.get(value, "")).split())) for value in "12345"]


def _rubric(question: "Question", keys: Keys) -> None:
    for dimension in question.item.output.rubric:
        one = type(question)(question.item, dimension)
        keys.show(visible(dimension, keep=""))
        for value, text in _words(one):
            keys.show(textwrap.fill(f"  {value} {text}", keys.width, subsequent_indent="    "))
