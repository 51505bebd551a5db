"""measure/bandwidth.py: a real reading in a real process, kept for the boot."""

import json
from pathlib import Path

import pytest

from shortlist.measure import bandwidth
from shortlist.measure.bandwidth import (
    FILE_NAME,
    Bandwidth,
    host_bandwidth,
    kept_bandwidths,
    last_cache_bytes,
    measure_bandwidth,
    read_stretches,
)


def cache(root: Path, cpu: int, index: int, **facts: str) -> None:
    folder = root / f"devices/system/cpu/cpu{cpu}/cache/index{index}"
    folder.mkdir(parents=True)
    for name, value in facts.items():
        (folder / name).write_text(value + "\n")


def test_the_last_cache_counts_each_of_its_parts_once(tmp_path: Path) -> None:
    for cpu, shared in ((0, "0-1"), (1, "0-1"), (2, "2-3"), (3, "2-3")):
        cache(tmp_path, cpu, 0, level="1", size="32K", shared_cpu_list=str(cpu), type="Data")
        cache(tmp_path, cpu, 3, level="3", size="16384K", shared_cpu_list=shared, type="Unified")
    assert last_cache_bytes(tmp_path) == 2 * 16384 * 1024


def test_instructions_are_no_cache_of_weights_and_nothing_seen_is_none(tmp_path: Path) -> None:
    assert last_cache_bytes(tmp_path) is None
    cache(tmp_path, 0, 0, level="2", size="1M", shared_cpu_list="0", type="Unified")
    cache(tmp_path, 0, 1, level="3", size="8M", shared_cpu_list="0", type="Instruction")
    assert last_cache_bytes(tmp_path) == 1 << 20


def test_every_thread_reads_in_every_stretch() -> None:
    found = read_stretches(2, 1 << 24, stretches=3, stretch_ns=10**6)
    assert len(found) == 3
    assert all(one.bytes_per_s > 1e8 for one in found)


def test_a_reading_comes_from_a_process_of_its_own_and_is_plausible() -> None:
    found = measure_bandwidth(1)
    assert found is not None
    assert found.threads == 1
    assert found.buffer_bytes >= 4 * (last_cache_bytes() or 0)
    assert 1e8 < found.bytes_per_s < 1e13


def test_no_reading_where_memory_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bandwidth, "FEWEST_BYTES", 1 << 50)
    assert measure_bandwidth(1) is None


def read_from(monkeypatch: pytest.MonkeyPatch, *readings: Bandwidth | None) -> list[int]:
    """Readings to come, instead of a busy host's; how many were taken."""
    left, taken = list(readings), []

    def measure(threads: int) -> Bandwidth | None:
        taken.append(threads)
        return left.pop(0)

    monkeypatch.setattr(bandwidth, "measure_bandwidth", measure)
    return taken


def test_a_steady_reading_is_taken_once_a_boot_for_each_number_of_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = (Bandwidth(threads * 1e10, threads, 1 << 28, is_steady=True) for threads in (1, 2))
    taken = read_from(monkeypatch, one, two)
    assert [host_bandwidth(tmp_path, threads) for threads in (1, 2, 1, 2)] == [one, two, one, two]
    assert taken == [1, 2]
    kept = json.loads((tmp_path / FILE_NAME).read_bytes())
    (tmp_path / FILE_NAME).write_text(json.dumps({**kept, "boot": "another"}))
    assert kept_bandwidths(tmp_path) == {}


def test_an_unsteady_reading_is_taken_again_and_never_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shaky = [Bandwidth(rate, 2, 1 << 28, is_steady=False) for rate in (1e10, 3e10, 2e10)]
    taken = read_from(monkeypatch, *shaky)
    found = host_bandwidth(tmp_path, 2)
    assert found == shaky[1]
    assert len(taken) == 3
    assert not (tmp_path / FILE_NAME).exists()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"boot": 1}', '{"boot": "B", "readings": [{"threads": "x"}]}'])
def test_a_file_that_is_not_whole_counts_as_none(tmp_path: Path, text: str) -> None:
    from shortlist.machine import boot_id

    (tmp_path / FILE_NAME).write_text(text.replace('"B"', json.dumps(boot_id())))
    assert kept_bandwidths(tmp_path) == {}
