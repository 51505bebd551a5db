"""A disk that is really full: a small file system of its own, filled while a bench runs."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.commands import argv, environment, shortlist

pytestmark = pytest.mark.root
A = "ttft=3ms,gap=1ms,chunks=4"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    if os.name != "posix" or os.geteuid() != 0:
        pytest.skip("only root can mount a file system")
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(place)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip(f"mounting is not possible here: {done.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def fill(path: Path) -> None:
    """Write until there is no space."""
    with path.open("wb", buffering=0) as filling:
        while True:
            filling.write(b"x" * 4096)


def test_a_full_disk_stops_the_bench_with_one_error_and_nothing_measured_is_lost(
    small_disk: Path, tmp_path: Path
) -> None:
    home = small_disk / "home"
    process = subprocess.Popen(
        argv("bench", A, "--engine", "fake", "--rounds", 40),
        cwd=tmp_path,
        env=environment(SHORTLIST_HOME=str(home)),
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    while "round 2" not in process.stderr.readline():
        assert process.poll() is None
    ballast = small_disk / "ballast"
    with pytest.raises(OSError, match="No space"):
        fill(ballast)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Traceback" not in err
    assert "the disk is full" in err
    measured = sum(line.count("4/4") for line in err.splitlines()) + 2
    assert "--resume" in err
    ballast.unlink()
    listed = shortlist("runs", "list", "--json", cwd=tmp_path, SHORTLIST_HOME=str(home)).json["data"]
    assert listed[0]["accepted"] >= 4 * (measured - 2)
    again = shortlist("bench", "--resume", "last", "--rounds", "40", cwd=tmp_path, SHORTLIST_HOME=str(home))
    assert again.code == 0, again.err
    after = shortlist("runs", "list", "--json", cwd=tmp_path, SHORTLIST_HOME=str(home)).json["data"]
    assert (after[0]["accepted"], after[0]["cells"], after[0]["state"]) == (160, 160, "done")
