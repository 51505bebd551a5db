"""Engines' logs are few and short, and those that are cut go on being written."""

import os
from pathlib import Path

from shortlist.serve.engine_logs import keep_few, keep_short


def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    for number in range(110):
        log = tmp_path / f"{number}.log"
        log.write_text("x")
        os.utime(log, ns=(number, number))
    keep_few(tmp_path)
    assert sorted(int(log.stem) for log in tmp_path.iterdir()) == list(range(10, 110))
    keep_few(tmp_path / "nowhere")


def test_a_long_one_is_cut_to_its_end_under_the_hands_of_its_writer(tmp_path: Path) -> None:
    log, other = tmp_path / "a.log", tmp_path / "b.log"
    other.write_text("short\n")
    with log.open("ab", buffering=0) as writer:
        for _ in range(10):
            writer.write(b"a line of an engine that talks too much\n" * 25_000)
        keep_short(tmp_path)
        writer.write(b"the last line\n")
    text = log.read_text()
    assert len(text) < 300_000
    first, second, *_, last = text.splitlines()
    assert first == f"({10_000_000 - len(text) + len(first) + 1 + len('the last line') + 1} bytes before this were cut)"
    assert second == "a line of an engine that talks too much"
    assert last == "the last line"
    assert other.read_text() == "short\n"
    keep_short(tmp_path / "nowhere")
