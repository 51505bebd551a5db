"""Files of ratings: the blinded template that a rater fills in, and what comes back, checked line by line.

One JSON object a line, one line for each item and dimension. `output` is the key of what is rated; `source`, `answer`
and `rubric` are there to be read, and an answer that no longer has its key is refused. Unknown keys are errors.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from shortlist.errors import BadInput, InvalidFile
from shortlist.files import MAX_FILE_BYTES
from shortlist.quality.outputs import Output, output_key
from shortlist.quality.sheets import Item, Rater, item_id
from shortlist.records import Annotation

LEAST, MOST = 1, 5
_RATER = re.compile(r"\w[\w.-]{0,39}")
_FURTHEST_REPEAT = 8
"""How many times at most one rater may meet one output."""


class Line(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One line as it is written and read."""

    run: str
    rater: str
    item: str
    output: str
    dimension: str
    source: str | None = None
    answer: str | None = None
    rubric: dict[str, str] | None = None
    value: Any = None
    note: str = ""
    skipped: bool = False
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Filled:
    """What files of ratings came to. `half` counts items with some of their dimensions, or a note without a value."""

    annotations: tuple[Annotation, ...]
    raters: tuple[str, ...]
    lines: int
    empty: int
    half: int
    repeats: int


def check_rater(name: str) -> str:
    """A rater's name, which becomes part of a file's name. Raises BadInput."""
    if not _RATER.fullmatch(name):
        raise BadInput(f"{name!r} cannot name a rater", hint="letters, digits, '.', '-' and '_', forty at most")
    return name


def template_lines(items: Iterable[Item], rater: Rater) -> list[Line]:
    """The lines that the rater fills in, in the order of the sheet; nothing in them tells who gave an answer."""
    return [
        Line(
            run=rater.run,
            rater=rater.name,
            item=item.id,
            output=item.output.key,
            dimension=dimension,
            source=item.output.source,
            answer=item.output.text,
            rubric={value: text for value, text in words.items() if value in "12345"},
        )
        for item in items
        for dimension, words in item.output.rubric.items()
    ]


def write_line(line: Line) -> str:
    """A line as JSON without its end, readable in any script; what UTF-8 cannot hold is escaped."""
    left_out = {"source", "answer", "rubric", "seed"}
    whole = {name: getattr(line, name) for name in Line.__struct_fields__}
    kept = {k: v for k, v in whole.items() if not (k in left_out and v is None) and not (k == "skipped" and not v)}
    text = json.dumps(kept, ensure_ascii=False)
    # Line ends that only some programs see would tear a line apart; JSON may hold them escaped.
    text = "".join(c if c not in "\x85\u2028\u2029" else f"\\u{ord(c):04x}" for c in text)
    return re.sub("[\ud800-\udfff]", lambda match: f"\\u{ord(match[0]):04x}", text)


def read_lines(path: Path) -> list[tuple[int, Line]]:
    """Every line with its number; blank ones are passed over. Raises InvalidFile with file and line."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise InvalidFile(path, "", f"is larger than {MAX_FILE_BYTES // 10**6} MB")
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidFile(path, f"byte {error.start}", "not UTF-8") from None
    except OSError as error:
        raise InvalidFile(path, "", f"cannot be read: {error.strerror}") from None
    found = [
        (number, _line(path, number, line)) for number, line in enumerate(text.split("\n"), start=1) if line.strip()
    ]
    if not found:
        raise InvalidFile(path, "", "there is no line in it", hint="shortlist annotate RUN --out a.jsonl writes one")
    return found


def _line(path: Path, number: int, text: str) -> Line:
    try:
        value = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        told = f"column {error.colno}: {error.msg}" if isinstance(error, json.JSONDecodeError) else "nested too deeply"
        raise InvalidFile(path, f"line {number}", f"not JSON: {told}") from None
    except ValueError as error:  # a number of thousands of digits
        raise InvalidFile(path, f"line {number}", f"not JSON: {error}") from None
    if not isinstance(value, dict):
        raise InvalidFile(path, f"line {number}", f"expected an object, got {type(value).__name__}")
    try:
        return msgspec.convert(value, Line)
    except msgspec.ValidationError as error:
        expected, _, inside = str(error).partition(" - at `$")
        place = f"line {number}{', ' + inside.strip('.`') if inside else ''}"
        raise InvalidFile(path, place, expected[0].lower() + expected[1:]) from None


def read_annotations(paths: Sequence[Path], run: str, outputs: Mapping[str, Output]) -> Filled:
    """Ratings of one or several files, merged by output; several files of one rater are one.

    Refused with file and line: another run, an unknown item, output or dimension, an answer or source that was
    changed, a value that is not a whole number from 1 to 5, an item rated twice. Raises InvalidFile.
    """
    found: dict[tuple[str, str, str, int], Annotation] = {}
    seen: dict[tuple[str, str, str, int], str] = {}
    unfilled: list[tuple[tuple[str, str, int], bool]] = []
    lines = 0
    for path in paths:
        for number, line in read_lines(path):
            lines += 1
            place = f"line {number}"
            repeat = _check(line, path, place, (run, outputs))
            key = (line.rater, line.output, line.dimension, repeat)
            if key in seen:
                raise InvalidFile(path, place, f"item {line.item} has its {line.dimension} already, in {seen[key]}")
            seen[key] = f"{path}, {place}"
            value = rating_value(line, path, place)
            if value is None:
                unfilled.append(((line.rater, line.output, repeat), bool(line.note.strip())))
                continue
            found[key] = Annotation(line.output, line.rater, line.dimension, value, line.note, repeat)
    return _filled(found, unfilled, lines, outputs)


def _filled(
    found: Mapping[tuple[str, str, str, int], Annotation],
    unfilled: Sequence[tuple[tuple[str, str, int], bool]],
    lines: int,
    outputs: Mapping[str, Output],
) -> Filled:
    rated = Counter((rater, output, repeat) for rater, output, _, repeat in found)
    half = {item for item, count in rated.items() if count < len(outputs[item[1]].rubric)}
    half |= {item for item, has_note in unfilled if has_note}
    return Filled(
        annotations=tuple(found[key] for key in sorted(found)),
        raters=tuple(sorted({rater for rater, *_ in found})),
        lines=lines,
        empty=len(unfilled),
        half=len(half),
        repeats=sum(repeat > 0 for *_, repeat in found),
    )


def _check(line: Line, path: Path, place: str, known: tuple[str, Mapping[str, Output]]) -> int:
    """Which time it is that the rater meets this output. Raises InvalidFile."""
    run, outputs = known
    if line.run != run:
        raise InvalidFile(path, f"{place}, run", f"expected {run[-8:]}, got {line.run[-8:]!r}: ratings of another run")
    if not _RATER.fullmatch(line.rater):
        raise InvalidFile(path, f"{place}, rater", f"{line.rater!r} cannot name a rater")
    output = outputs.get(line.output)
    if output is None:
        raise InvalidFile(path, f"{place}, output", f"{line.output[:12]!r} is no output of this run")
    if line.answer is not None and output_key(output.prompt.id, line.answer) != line.output:
        raise InvalidFile(path, f"{place}, answer", "the answer was changed after the file was written")
    if line.source is not None and line.source != output.source:
        raise InvalidFile(path, f"{place}, source", "the source was changed after the file was written")
    if line.dimension not in output.rubric:
        wanted = ", ".join(output.rubric)
        raise InvalidFile(path, f"{place}, dimension", f"expected one of {wanted}, got {line.dimension!r}")
    for repeat in range(_FURTHEST_REPEAT):
        if item_id(run, line.rater, line.output, repeat) == line.item:
            return repeat
    raise InvalidFile(
        path,
        f"{place}, item",
        f"{line.item!r} is no item of {line.rater}'s sheet",
        hint="each rater needs a template: shortlist annotate RUN --out a.jsonl --rater NAME",
    )


def rating_value(line: Line, path: Path, place: str) -> int | None:
    """A line's value from 1 to 5, None where it is not filled in. Raises InvalidFile."""
    value = line.value
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not LEAST <= value <= MOST:
        raise InvalidFile(path, f"{place}, value", f"expected a whole number from 1 to 5 or null, got {_shown(value)}")
    return value


def _shown(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else text[:39] + "…"
