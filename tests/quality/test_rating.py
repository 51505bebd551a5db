"""One rater's sitting: on disk before the next question, undone, resumed at the same place."""

from pathlib import Path

import pytest

from quality.rated_run import answering
from shortlist.errors import InvalidFile, StoreError
from shortlist.quality.annotations import read_annotations
from shortlist.quality.journal import Journal
from shortlist.quality.outputs import outputs_of
from shortlist.quality.rating import Question, Rating
from shortlist.quality.sheets import Rater, lay_out
from shortlist.records import Annotation

RUN = answering({}, rubric={"faithfulness": {}, "style": {}})
OUTPUTS = outputs_of(RUN)
ANN = Rater(RUN.info.id, "ann", 3)


class Kept:
    """Stands for the store: what it was told, in order."""

    def __init__(self) -> None:
        self.told: list[tuple[Annotation, bool]] = []

    def __call__(self, annotation: Annotation, is_kept: bool) -> None:
        self.told.append((annotation, is_kept))


def sitting(path: Path, kept: Kept | None = None) -> Rating:
    return Rating(lay_out(OUTPUTS, ANN), ANN, Journal.open(path), kept or Kept())


def asked(rating: Rating) -> Question:
    question = rating.next()
    assert question is not None
    return question


def test_a_rating_is_on_disk_and_then_stored_before_the_next_question(tmp_path: Path) -> None:
    path, kept = tmp_path / "j", Kept()
    rating = sitting(path, kept)
    first = asked(rating)
    rating.rate(first, 4, "fine")
    assert [a.value for a in read_annotations([path], RUN.info.id, OUTPUTS).annotations] == [4]
    assert kept.told == [(Annotation(first.item.output.key, "ann", "faithfulness", 4, "fine"), True)]
    assert asked(rating).dimension == "style"
    assert asked(rating).item == first.item


def test_another_sitting_goes_on_at_the_same_question(tmp_path: Path) -> None:
    rating = sitting(tmp_path / "j")
    for value in (1, 2, 3):
        rating.rate(asked(rating), value)
    later = sitting(tmp_path / "j")
    assert later.next() == rating.next()
    assert (later.done, later.total) == (3, 2 * (12 + 6))
    assert [a.value for a in later.kept()] == [1, 2, 3]


def test_undo_takes_the_last_rating_back_everywhere_and_asks_again(tmp_path: Path) -> None:
    kept = Kept()
    rating = sitting(tmp_path / "j", kept)
    first = asked(rating)
    rating.rate(first, 4)
    second = asked(rating)
    rating.rate(second, 5)
    assert rating.undo() == second == rating.next()
    assert kept.told[-1][1] is False
    assert kept.told[-1][0].value == 5
    assert rating.undo() == first
    assert rating.undo() is None
    assert sitting(tmp_path / "j").done == 0


def test_a_skipped_question_comes_back_when_the_others_are_done(tmp_path: Path) -> None:
    rating = sitting(tmp_path / "j")
    skipped = asked(rating)
    rating.skip(skipped)
    while (question := rating.next()) is not None:
        rating.rate(question, 3)
    assert (rating.skipped, rating.done) == (1, rating.total)
    later = sitting(tmp_path / "j")
    assert later.again() == 1
    assert later.next() == skipped
    assert later.again() == 0


def test_undo_of_a_skip_tells_the_store_nothing(tmp_path: Path) -> None:
    kept = Kept()
    rating = sitting(tmp_path / "j", kept)
    first = asked(rating)
    rating.skip(first)
    assert rating.undo() == first
    assert kept.told == []


def test_a_last_line_that_was_cut_short_is_asked_again(tmp_path: Path) -> None:
    path = tmp_path / "j"
    rating = sitting(path)
    rating.rate(asked(rating), 4)
    second = asked(rating)
    rating.rate(second, 5)
    path.write_bytes(path.read_bytes()[:-9])
    assert sitting(path).next() == second
    assert path.read_bytes().endswith(b"\n")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"value": 4', '"value": 9', "line 1, value: expected a whole number from 1 to 5"),
        ('"value": 4', '"value": null', "line 1, value: expected a rating"),
        ('"rater": "ann"', '"rater": "ben"', "line 1: belongs to another run or rater"),
        ('"output": "', '"output": "0', "line 1, output: is not the output of this item"),
        ('{"run"', '"run"', "line 1: not JSON"),
    ],
)
def test_a_journal_that_somebody_changed_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "j"
    rating = sitting(path)
    rating.rate(asked(rating), 4)
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(InvalidFile) as caught:
        sitting(path)
    assert message in caught.value.message


def test_a_journal_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be"):
        Journal.open(tmp_path / "file" / "j")
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreError):
        Journal.open(tmp_path / "folder")
