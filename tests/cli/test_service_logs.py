"""`service logs`: the end of a log, and what is added to it, also when it is begun anew meanwhile."""

from pathlib import Path

import pytest

from shortlist.cli.service_logs import followed, last_lines


def test_the_last_lines_of_a_long_log(tmp_path: Path) -> None:
    log = tmp_path / "service.log"
    log.write_text("".join(f"line {number}\n" for number in range(300_000)))
    assert last_lines(log, 2) == ["line 299998", "line 299999"]
    assert last_lines(log, 0) == []
    log.write_bytes(b"caf\xe9\nlast")
    assert last_lines(log, 9) == ["caf\ufffd", "last"]


def test_lines_are_followed_over_a_rotation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "service.log"
    log.write_text("old\n")
    turns = iter(range(100))

    def happens(_duration_ns: int) -> None:
        turn = next(turns)
        if turn == 0:
            with log.open("a") as file:
                file.write("one\nhalf ")
        elif turn == 1:
            with log.open("a") as file:
                file.write("a line\n")
        elif turn == 2:
            log.rename(tmp_path / "service.log.1")
            log.write_text("after the rotation\n")

    monkeypatch.setattr("shortlist.clock.sleep_blocking_ns", happens)
    lines = followed(log)
    assert [next(lines) for _ in range(3)] == ["one", "half a line", "after the rotation"]
