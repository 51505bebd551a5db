import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from shortlist.clock import SYSTEM, LoopClock
from shortlist.errors import EngineCrashed
from shortlist.measure.memory import read_memory, read_pss, watch_peak
from virtual_time import run_virtual

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the split of pages is read from Linux's /proc")

MB = 10**6
# Holds 40 MB, has held 80 MB more, and maps a file of 24 MB; told by a line, it takes 60 MB more.
CHILD = """
import mmap, sys
kept = bytearray(b"x") * 40_000_000
spike = bytearray(b"y") * 80_000_000
del spike
weights = open(sys.argv[1], "rb")
mapped = mmap.mmap(weights.fileno(), 0, prot=mmap.PROT_READ)
sum(mapped[::4096])
print("ready", flush=True)
sys.stdin.readline()
more = bytearray(b"z") * 60_000_000
print("more", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def child(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    weights = tmp_path / "weights"
    weights.write_bytes(b"w" * 24 * MB)
    with started([sys.executable, "-c", CHILD, str(weights)]) as process:
        yield process


@contextlib.contextmanager
def started(argv: list[str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def test_anonymous_and_file_backed_memory_are_told_apart_and_the_peak_is_remembered(
    child: subprocess.Popen[str],
) -> None:
    reading = read_memory([child.pid])
    assert reading.anonymous_bytes is not None
    assert reading.file_bytes is not None
    assert reading.peak_bytes is not None
    assert 40 * MB < reading.anonymous_bytes < 70 * MB
    assert 24 * MB < reading.file_bytes < 54 * MB
    assert reading.total_bytes == reading.anonymous_bytes + reading.file_bytes
    assert reading.peak_bytes > 120 * MB
    assert (reading.basis, reading.processes) == ("VmHWM", 1)


def test_a_page_shared_by_two_processes_counts_half_in_each_ones_share(child: subprocess.Popen[str]) -> None:
    args = child.args
    assert isinstance(args, list)
    with started(args) as twin:
        one, both = read_pss([child.pid]), read_pss([child.pid, twin.pid])
        resident = read_memory([child.pid, twin.pid])
    assert one.file_bytes is not None
    assert both.file_bytes is not None
    assert resident.file_bytes is not None
    assert 10 * MB < one.file_bytes < 24 * MB
    assert both.file_bytes < resident.file_bytes - 20 * MB
    assert (both.basis, both.processes) == ("PSS", 2)
    assert resident.basis == "VmHWM, sum of 2"


def test_a_process_that_is_gone_or_is_a_zombie_has_no_memory_to_read() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.read()  # ended and not yet waited for
    process.stdout.close()
    while Path(f"/proc/{process.pid}/status").read_text().count("zombie") == 0:
        pass
    with pytest.raises(EngineCrashed):
        read_memory([process.pid])
    process.wait()
    for read in (read_memory, read_pss):
        with pytest.raises(EngineCrashed, match=str(process.pid)):
            read([process.pid])
    with pytest.raises(EngineCrashed, match="empty tree"):
        read_memory([])


def test_of_a_tree_that_lost_a_process_the_rest_is_read(child: subprocess.Popen[str]) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert read_memory([child.pid, gone.pid]).processes == 1


def test_the_peak_of_an_owned_cgroup_is_taken_where_given(child: subprocess.Popen[str], tmp_path: Path) -> None:
    (tmp_path / "memory.peak").write_text("123456789\n")
    reading = read_memory([child.pid], cgroup=tmp_path)
    assert (reading.peak_bytes, reading.basis) == (123456789, "cgroup memory.peak")


def test_a_peak_during_a_piece_of_work_is_seen(child: subprocess.Popen[str]) -> None:
    before = read_pss([child.pid])

    def grow() -> str:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write("\n")
        child.stdin.flush()
        return child.stdout.readline()

    said, highest = asyncio.run(watch_peak(lambda: [child.pid], asyncio.to_thread(grow), SYSTEM))
    assert said == "more\n"
    assert highest.total_bytes > before.total_bytes + 55 * MB
    assert highest.peak_bytes == highest.total_bytes
    assert highest.basis == "PSS, sampled"


def test_readings_are_at_most_two_a_second(child: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch) -> None:
    at_ns: list[int] = []
    clock = LoopClock()

    def counted(pids: list[int]) -> object:
        at_ns.append(clock.now_ns())
        return read_pss(pids)

    # Counting the calls needs a wrapper; the readings are real.
    monkeypatch.setattr("shortlist.measure.memory.read_pss", counted)
    run_virtual(watch_peak(lambda: [child.pid], clock.sleep_ns(1_700_000_000), clock))
    assert at_ns == [0, 500_000_000, 1_000_000_000, 1_500_000_000, 1_700_000_000]


def test_an_error_of_the_watched_work_comes_out_as_it_is(child: subprocess.Popen[str]) -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(watch_peak(lambda: [child.pid], fail(), SYSTEM))
