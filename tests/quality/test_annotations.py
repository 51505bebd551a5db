"""Files of ratings: what is taken in, what is told, and what is refused with file and line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from quality.rated_run import WRONG, answering
from shortlist.errors import BadInput, InvalidFile
from shortlist.quality.annotations import check_rater, read_annotations, template_lines, write_line
from shortlist.quality.outputs import outputs_of
from shortlist.quality.sheets import Rater, lay_out
from shortlist.records import Annotation

RUN = answering({"tiny": {name: f"{WRONG} {name}" for name in ("n-001", "n-002", "n-003")}})
OUTPUTS = outputs_of(RUN)
Row = dict[str, Any]


def sheet(rater: str = "ann") -> list[Row]:
    """A template's lines as a rater finds them."""
    who = Rater(RUN.info.id, rater)
    return [json.loads(write_line(line)) for line in template_lines(lay_out(OUTPUTS, who), who)]


def written(tmp_path: Path, rows: list[Row], name: str = "a.jsonl") -> Path:
    path = tmp_path / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_template_tells_nothing_of_who_answered(tmp_path: Path) -> None:
    text = "".join(json.dumps(row) for row in sheet())
    for candidate in RUN.info.plan.candidates:
        assert candidate.id not in text
        assert f'"{candidate.label}"' not in text
        assert candidate.model not in text
    row = sheet()[0]
    assert set(row) == {"run", "rater", "item", "output", "dimension", "source", "answer", "rubric", "value", "note"}
    assert (row["value"], row["note"], row["dimension"]) == (None, "", "faithfulness")


def test_a_filled_template_gives_ratings_with_repeats_apart(tmp_path: Path) -> None:
    rows = [{**row, "value": 1 + number % 5, "note": "é\u2028"} for number, row in enumerate(sheet())]
    filled = read_annotations([written(tmp_path, rows)], RUN.info.id, OUTPUTS)
    assert (filled.lines, filled.empty, filled.half, filled.raters) == (len(rows), 0, 0, ("ann",))
    assert filled.repeats == len(rows) - len(OUTPUTS) == 7
    assert {one.output_sha256 for one in filled.annotations} == set(OUTPUTS)
    assert filled.annotations[0].note == "é\u2028"


def test_empty_and_half_filled_lines_are_counted(tmp_path: Path) -> None:
    rows = sheet()
    rows[0]["value"] = 4
    rows[1]["note"] = "a note and no value"
    filled = read_annotations([written(tmp_path, rows)], RUN.info.id, OUTPUTS)
    assert (len(filled.annotations), filled.empty, filled.half) == (1, len(rows) - 1, 1)


def test_one_of_two_dimensions_is_half_filled(tmp_path: Path) -> None:
    run = answering({}, rubric={"faithfulness": {}, "style": {}})
    outputs = outputs_of(run)
    who = Rater(run.info.id, "ann")
    rows = [json.loads(write_line(line)) for line in template_lines(lay_out(outputs, who), who)]
    assert [row["dimension"] for row in rows[:2]] == ["faithfulness", "style"]
    rows[0]["value"] = 3
    assert read_annotations([written(tmp_path, rows)], run.info.id, outputs).half == 1


def test_files_of_several_raters_and_halves_of_one_are_merged(tmp_path: Path) -> None:
    ann, ben = ([{**row, "value": 3} for row in sheet(name)] for name in ("ann", "ben"))
    paths = [written(tmp_path, ann[:5], "1"), written(tmp_path, ben, "2"), written(tmp_path, ann[5:], "3")]
    filled = read_annotations(paths, RUN.info.id, OUTPUTS)
    assert filled.raters == ("ann", "ben")
    assert len(filled.annotations) == len(ann) + len(ben)
    assert filled == read_annotations(paths[::-1], RUN.info.id, OUTPUTS)


def test_what_is_only_there_to_be_read_may_be_left_out(tmp_path: Path) -> None:
    row = {key: value for key, value in sheet()[0].items() if key not in ("source", "answer", "rubric", "note")}
    filled = read_annotations([written(tmp_path, [{**row, "value": 5}])], RUN.info.id, OUTPUTS)
    assert filled.annotations == (Annotation(row["output"], "ann", "faithfulness", 5),)


def change(**changes: object) -> Callable[[list[Row]], None]:
    return lambda rows: rows[1].update(changes)


MALFORMED: list[tuple[str, Callable[[list[Row]], None], str]] = [
    (
        "another run",
        change(run="0197a5c0-0000-7000-8000-0000deadbeef"),
        "line 2, run: expected 5eed7f3c, got 'deadbeef'",
    ),
    ("an unknown output", change(output="0" * 64), "line 2, output: '000000000000' is no output of this run"),
    ("an output of another kind", change(output=7), "line 2, output: expected `str`, got `int`"),
    ("an unknown item", change(item="000000000000"), "line 2, item: '000000000000' is no item of ann's sheet"),
    ("another rater's item", change(rater="ben"), "is no item of ben's sheet"),
    ("a changed answer", change(answer="Better."), "line 2, answer: the answer was changed"),
    ("a changed source", change(source="Other."), "line 2, source: the source was changed"),
    ("an unknown dimension", change(dimension="charm"), "line 2, dimension: expected one of faithfulness, got 'charm'"),
    ("a value of 0", change(value=0), "line 2, value: expected a whole number from 1 to 5 or null, got 0"),
    ("a value of 6", change(value=6), "got 6"),
    ("a value between two", change(value=3.5), "got 3.5"),
    ("a value as text", change(value="4"), 'got "4"'),
    ("a value that is true", change(value=True), "got true"),
    ("a huge value", change(value=10**300), "got 1000000"),
    ("a list as value", change(value=[4]), "got [4]"),
    ("an unknown key", change(score=4), "line 2: object contains unknown field `score`"),
    ("a missing key", lambda rows: rows[1].pop("item"), "line 2: object missing required field `item`"),
    ("a rater that is a path", change(rater="../ann"), "line 2, rater: '../ann' cannot name a rater"),
    ("an empty rater", change(rater=""), "line 2, rater: '' cannot name a rater"),
    ("a note that is no text", change(note=None), "line 2, note: expected `str`, got `null`"),
    ("the same line twice", lambda rows: rows.insert(2, {**rows[1]}), "has its faithfulness already, in"),
    ("no line", lambda rows: rows.clear(), "there is no line in it"),
]


@pytest.mark.parametrize(("what", "damage", "message"), MALFORMED, ids=[what for what, _, _ in MALFORMED])
def test_a_malformed_line_is_refused_with_file_and_line(
    tmp_path: Path, what: str, damage: Callable[[list[Row]], None], message: str
) -> None:
    rows = sheet()
    rows[0]["value"] = 4
    damage(rows)
    path = written(tmp_path, rows)
    with pytest.raises(InvalidFile) as caught:
        read_annotations([path], RUN.info.id, OUTPUTS)
    assert message in caught.value.message
    assert str(path) in caught.value.message


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\xff\xfe", "byte 0: not UTF-8"),
        (b"{}\n{\n", "line 1: object missing required field"),
        (b'\n{"run": \n', "line 2: not JSON: column"),
        (b"[1]\n", "line 1: expected an object, got list"),
        (b"[" * 100_000, "line 1: not JSON: nested too deeply"),
        (b'{"value": ' + b"9" * 5000 + b"}", "line 1: not JSON"),
        (b"", "there is no line in it"),
        (b" \n\r\n", "there is no line in it"),
    ],
)
def test_a_file_that_is_no_json_lines_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(data)
    with pytest.raises(InvalidFile) as caught:
        read_annotations([path], RUN.info.id, OUTPUTS)
    assert message in caught.value.message


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidFile, match="cannot be read: No such file"):
        read_annotations([tmp_path / "nowhere"], RUN.info.id, OUTPUTS)


def test_hostile_answers_go_out_and_come_back_unchanged(tmp_path: Path) -> None:
    text = "a\u2028b\x85c\ud800\x00\x1b[2J\r\n“é” 東京"
    run = answering({"tiny": {"n-001": text}})
    outputs = outputs_of(run)
    who = Rater(run.info.id, "ann")
    lines = [write_line(line) for line in template_lines(lay_out(outputs, who), who)]
    assert all(len(line.splitlines()) == 1 for line in lines)
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(line.replace('"value": null', '"value": 2') for line in lines), encoding="utf-8")
    assert {one.output_sha256 for one in read_annotations([path], run.info.id, outputs).annotations} == set(outputs)


@pytest.mark.parametrize("name", ["", "a b", "../x", ".hidden", "a/b", "x" * 41, "a\n", "-x"])
def test_a_raters_name_must_fit_a_files_name(name: str) -> None:
    with pytest.raises(BadInput, match="cannot name a rater"):
        check_rater(name)
    assert check_rater("Zoë.K-2") == "Zoë.K-2"
