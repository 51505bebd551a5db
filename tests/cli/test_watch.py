"""What a user sees of a busy host: before the start, in the log, in the table; and how to switch it off."""

import sys
from pathlib import Path

import pytest

from cli.commands import shortlist
from spinner import spinner

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
BENCH = ("bench", "ttft=40ms,gap=1ms,chunks=4", "--engine", "fake", "--rounds", 1)


@linux
@pytest.mark.slow  # the command itself starts beside six busy processes
def test_a_busy_host_is_named_before_the_start_beside_the_block_and_under_the_table(tmp_path: Path) -> None:
    with spinner(tmp_path, "eats-cores", count=6):
        done = shortlist(*BENCH, "--need", "latency<10s", cwd=tmp_path, SHORTLIST_WATCH="1")
    assert done.code == 0, done.err
    before, _, after = done.err.partition("round 1")
    assert "! the host is busy: eats-cores" in before
    assert "4 requests disturbed (eats-cores" in before
    assert "the block is run again whole" in before
    assert "too noisy" in done.out
    assert done.out.startswith("Not enough evidence."), done.out
    assert "round 1" in after


def test_without_the_watch_nothing_is_looked_at_and_the_run_is_stamped(tmp_path: Path) -> None:
    done = shortlist(*BENCH, "--no-watch", "--json", cwd=tmp_path, SHORTLIST_WATCH="1")
    assert done.code == 0, done.err
    data = done.json["data"]
    assert "no-watch" in data["flags"]
    assert data["disturbance"]["is_watched"] is False
    assert "busy" not in done.err
