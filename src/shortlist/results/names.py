"""Which run is meant by `last`, a name, `name@short` or the end of an id."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from shortlist.errors import BadInput, UnknownName

_LAST = "last"
_SHORTEST = 4
_HEX = re.compile(r"[0-9a-f]+")


@dataclass(frozen=True, slots=True)
class RunName:
    """What a run can be called by."""

    id: str
    name: str | None

    @property
    def digits(self) -> str:
        """The id's hex digits without dashes."""
        return self.id.replace("-", "").lower()

    def ends_with(self, short: str) -> bool:
        """Whether these are the last hex digits of the id: four at least, dashes ignored."""
        short = short.replace("-", "").lower()
        return len(short) >= _SHORTEST and bool(_HEX.fullmatch(short)) and self.digits.endswith(short)

    def __str__(self) -> str:
        short = self.digits[-8:]
        return f"{self.name}@{short}" if self.name else short


def check_name(name: str) -> None:
    """Raises BadInput for a name that could not be told from other ways to refer to a run, or not be typed."""
    is_typable = name.strip() == name and not any(unicodedata.category(c)[0] == "C" for c in name)
    if not name or name == _LAST or "@" in name or not is_typable:
        raise BadInput(
            f"{name!r} cannot name a run: not empty, not {_LAST!r}, no '@', no control characters, no space at an end"
        )


def find_run(ref: str, runs: Sequence[RunName]) -> str:
    """The id meant by a reference. Raises UnknownName for none, BadInput that lists them for several.

    `last` is the newest run: UUIDv7 ids sort by time. A whole name wins over the end of an id.
    """
    if ref == _LAST and runs:
        return max(runs, key=lambda run: run.digits).id
    name, at, short = ref.rpartition("@")
    if at:
        found = [run for run in runs if run.name == name and run.ends_with(short)]
    else:
        found = [run for run in runs if run.name == ref] or [run for run in runs if run.ends_with(ref)]
    if len(found) == 1:
        return found[0].id
    if found:
        listed = ", ".join(str(run) for run in sorted(found, key=str))
        raise BadInput(f"{len(found)} runs answer to {ref!r}: {listed}", hint="give one of these, or more digits")
    known = {run.name for run in runs if run.name} | {run.digits[-8:] for run in runs}
    raise UnknownName("run", ref, known, hint="shortlist runs list")
