"""A self-test's result is used again for an hour, in the same boot, at the same load; never otherwise."""

from dataclasses import replace
from pathlib import Path

import pytest

from shortlist.clock import iso, wall_ns
from shortlist.machine import boot_id
from shortlist.measure.known_errors import FILE_NAME, KEPT_NS, keep_error, known_error
from shortlist.records import ErrorFigures, MeasuringError

FIGURES = ErrorFigures(20, 100_000, 20_000, 150_000, 200_000)


def found(streams: int = 1, age_ns: int = 0, boot: str = "") -> MeasuringError:
    at = iso(wall_ns() - age_ns)
    figures = (FIGURES, FIGURES, FIGURES, FIGURES)
    return MeasuringError(streams, 20, 320, 0, *figures, 1000, "kernel", at, boot or boot_id())


def test_what_was_found_is_known_at_its_own_number_of_streams(tmp_path: Path) -> None:
    one, four = found(1), found(4)
    keep_error(tmp_path / "new", one)
    keep_error(tmp_path / "new", four)
    keep_error(tmp_path / "new", replace(one, requests=9))
    known = known_error(tmp_path / "new", 1)
    assert known is not None
    assert known.requests == 9
    assert known_error(tmp_path / "new", 4) == four
    assert known_error(tmp_path / "new", 2) is None


@pytest.mark.parametrize(("age_ns", "boot"), [(KEPT_NS + 10**9, ""), (-(10**9), ""), (0, "another boot")])
def test_an_old_one_one_from_the_future_and_one_of_another_boot_are_not_used(
    tmp_path: Path, age_ns: int, boot: str
) -> None:
    keep_error(tmp_path, found(1, age_ns, boot))
    assert known_error(tmp_path, 1) is None
    keep_error(tmp_path, found(2))
    assert b"another boot" not in (tmp_path / FILE_NAME).read_bytes()


@pytest.mark.parametrize("damage", ["", "{", '[{"streams": 1}]', "[3]"])
def test_a_damaged_cache_is_measured_anew_and_written_over(tmp_path: Path, damage: str) -> None:
    (tmp_path / FILE_NAME).write_text(damage)
    assert known_error(tmp_path, 1) is None
    keep_error(tmp_path, found())
    assert known_error(tmp_path, 1) is not None


def test_a_folder_that_cannot_be_written_costs_a_repeat_and_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    keep_error(tmp_path / "file" / "home", found())
    assert known_error(tmp_path / "file" / "home", 1) is None
