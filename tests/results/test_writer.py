"""The writer thread: what is acknowledged is on the disk, and a full disk loses nothing."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import event as sqlalchemy_event

from results.made_run import RUN_ID, make_run
from shortlist.errors import StoreError
from shortlist.records import Sample
from shortlist.results.reserve import Reserve, reserve_path
from shortlist.results.store import Store
from shortlist.results.writer import Sink

RUN = make_run()
BLOCK = RUN.blocks[0]
SAMPLES = [replace(sample, is_accepted=False) for sample in RUN.samples if sample.block == BLOCK.id]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "results.db") as opened:
        opened.create_run(RUN.info, {})
        yield opened


def start(sink: Sink) -> None:
    sink.executor(RUN.executors[0])
    sink.start_block(replace(BLOCK, state="running"))


def give(sink: Sink, samples: Sequence[Sample]) -> None:
    for sample in samples:
        sink.sample(sample)


def copies(count: int, length: int = 0) -> list[Sample]:
    return [replace(SAMPLES[0], id=f"s-{n:05d}", seq=n, text="x" * length) for n in range(count)]


def fill_up(store: Store) -> None:
    """No further page may be added to the file: SQLITE_FULL, the error that a full disk gives."""
    store._reads.dispose()
    with store._reading() as connection:
        pages = int(connection.exec_driver_sql("PRAGMA page_count").scalar() or 0)
    store._reads.dispose()

    def limit(connection: object, _record: object) -> None:
        connection.execute(f"PRAGMA max_page_count={pages}").close()  # type: ignore[attr-defined]

    sqlalchemy_event.listen(store._reads, "connect", limit)


def test_what_is_acknowledged_is_on_the_disk_and_in_order(store: Store) -> None:
    acknowledged: list[str] = []
    seen_missing: list[str] = []

    def on_ack(ids: Sequence[str]) -> None:
        stored = {sample.id for sample in store.load_run(RUN_ID).samples}
        seen_missing.extend(name for name in ids if name not in stored)
        acknowledged.extend(ids)

    with Sink(store, RUN_ID, on_ack) as sink:
        start(sink)
        for sample in copies(60):
            sink.sample(sample)
        sink.flush()
        assert len(acknowledged) == 60
    assert seen_missing == []
    assert acknowledged == sorted(acknowledged)


def test_a_whole_block_goes_through_the_sink(store: Store) -> None:
    with Sink(store, RUN_ID) as sink:
        start(sink)
        for sample in SAMPLES:
            sink.sample(sample)
        sink.memory_point(RUN.memory_points[0])
        sink.event(RUN.events[0])
        sink.score(RUN.scores[0])
        sink.annotation(RUN.annotations[0])
        sink.finish_block(BLOCK, [sample.id for sample in SAMPLES if sample.cell])
    found = store.load_run(RUN_ID)
    assert found.blocks == (BLOCK,)
    assert found.samples == tuple(sample for sample in RUN.samples if sample.block == BLOCK.id)
    assert found.memory_points == RUN.memory_points[:1]
    assert (found.events, found.scores, found.annotations) == (RUN.events, RUN.scores, RUN.annotations)


def test_closing_stores_what_is_left_and_deletes_the_unused_reserve(store: Store) -> None:
    sink = Sink(store, RUN_ID)
    assert reserve_path(store.path).stat().st_size == 4 * 10**6
    start(sink)
    sink.sample(SAMPLES[0])
    sink.close()
    sink.close()
    assert [sample.id for sample in store.load_run(RUN_ID).samples] == [SAMPLES[0].id]
    assert not reserve_path(store.path).exists()
    with pytest.raises(StoreError, match="closed"):
        sink.sample(SAMPLES[1])


def test_many_threads_may_give_at_once(store: Store) -> None:
    with Sink(store, RUN_ID) as sink:
        start(sink)
        parts = [copies(200)[n::4] for n in range(4)]
        threads = [threading.Thread(target=give, args=(sink, part)) for part in parts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(store.load_run(RUN_ID).samples) == 200


def test_a_full_file_fails_the_sink_and_keeps_everything_in_the_reserve(store: Store) -> None:
    with Sink(store, RUN_ID) as sink:
        start(sink)
        sink.flush()
    path = store.path
    fill_up(store)
    acknowledged: list[str] = []
    sink = Sink(store, RUN_ID, acknowledged.extend)
    given = copies(30, length=20_000)
    for sample in given[:20]:
        sink.sample(sample)
    with pytest.raises(StoreError, match="full") as caught:
        sink.flush()
    assert caught.value.hint == "the disk is full: free some space"
    assert sink.failed is caught.value
    for sample in given[20:]:
        sink.sample(sample)
    sink.finish_block(replace(BLOCK, state="cut"), [])
    sink.close()
    assert (sink.kept, sink.lost) == (31 - len(acknowledged), 0)
    assert store.load_run(RUN_ID).blocks[0].state == "running"
    store.close()
    with Store.open(path) as recovered:
        found = recovered.load_run(RUN_ID)
        assert [sample.id for sample in found.samples] == [sample.id for sample in given]
        assert found.blocks[0].state == "cut"
        assert recovered.recover_reserve() == 0
    assert not reserve_path(path).exists()


def test_recovering_twice_doubles_nothing(store: Store) -> None:
    path = reserve_path(store.path)
    store.add_executor(RUN.executors[0])
    reserve = Reserve.make(path)
    reserve.append(RUN_ID, [replace(BLOCK, state="running"), *SAMPLES, *RUN.memory_points[:2], RUN.events[0]])
    reserve.close()
    saved = path.read_bytes()
    assert store.recover_reserve() == len(SAMPLES) + 4
    once = store.load_run(RUN_ID)
    path.write_bytes(saved)
    assert store.recover_reserve() == len(SAMPLES) + 4
    assert store.load_run(RUN_ID) == once


def test_a_reserve_that_does_not_fit_yet_is_kept_and_reading_goes_on(store: Store) -> None:
    reserve = Reserve.make(reserve_path(store.path))
    store.add_executor(RUN.executors[0])
    store.start_block(RUN_ID, BLOCK)
    reserve.append(RUN_ID, copies(20, length=20_000))
    reserve.close()
    fill_up(store)
    with pytest.raises(StoreError, match="full"):
        store.recover_reserve()
    assert store.load_run(RUN_ID).samples == ()
    with pytest.raises(StoreError, match="could not be stored yet"):
        Sink(store, RUN_ID)


def test_a_torn_last_line_of_the_reserve_costs_that_line_only(store: Store) -> None:
    path = reserve_path(store.path)
    reserve = Reserve.make(path)
    reserve.append(RUN_ID, [RUN.executors[0], BLOCK, *copies(3)])
    reserve.close()
    content = path.read_bytes().rstrip(b"\0")
    path.write_bytes(content[:-40] + bytes(1000))
    assert store.recover_reserve() == 4
    assert len(store.load_run(RUN_ID).samples) == 2


def test_a_damaged_reserve_is_named_and_not_deleted(store: Store) -> None:
    reserve_path(store.path).write_bytes(b'{"kind": "Cat"}\n')
    with pytest.raises(StoreError, match="damaged"):
        store.recover_reserve()
    assert reserve_path(store.path).exists()


@pytest.mark.skipif(sys.platform == "win32", reason="no flock")
def test_a_reserve_in_use_is_left_to_its_writer(store: Store) -> None:
    with Sink(store, RUN_ID) as sink:
        sink._reserve.append(RUN_ID, [RUN.executors[0]])
        assert store.recover_reserve() == 0
        assert reserve_path(store.path).exists()
        with pytest.raises(StoreError, match="in use by another bench"):
            Sink(store, RUN_ID)
    assert store.recover_reserve() == 1


def test_a_reserve_that_fails_too_counts_what_is_lost(store: Store) -> None:
    sink = Sink(store, RUN_ID)
    sink._reserve._file.close()
    sink._reserve._file = open(os.devnull, "rb", buffering=0)  # noqa: SIM115, PTH123 - a file that refuses writing
    sink.sample(replace(SAMPLES[0], block="nowhere"))
    with pytest.raises(StoreError, match="FOREIGN KEY"):
        sink.flush()
    sink.close()
    assert (sink.kept, sink.lost) == (0, 1)


@pytest.mark.skipif(sys.platform == "win32", reason="no resource limits")
def test_a_reserve_that_overflows_keeps_whole_lines_and_counts_the_rest(store: Store) -> None:
    reserve = Reserve.make(reserve_path(store.path), 100_000)
    resource = pytest.importorskip("resource")
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, old[1]))
    try:
        kept = reserve.append(RUN_ID, [RUN.executors[0], BLOCK, *copies(30, length=20_000)])
        kept += reserve.append(RUN_ID, [replace(SAMPLES[0], id="a-small-one")])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, ignored)
    reserve.close()
    assert kept == 7
    assert store.recover_reserve() == 7
    stored = {sample.id for sample in store.load_run(RUN_ID).samples}
    assert stored == {"s-00000", "s-00001", "s-00002", "s-00003", "a-small-one"}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_callback_that_raises_fails_the_sink_and_nobody_waits_for_ever(store: Store) -> None:
    def on_ack(_: Sequence[str]) -> None:
        raise RuntimeError("the loop is closed")

    sink = Sink(store, RUN_ID, on_ack)
    start(sink)
    sink.sample(SAMPLES[0])
    with pytest.raises(StoreError, match="ended early"):
        sink.flush()
    sink.close()
    assert len(store.load_run(RUN_ID).samples) == 1


KILLED = """
import sys
from pathlib import Path
from dataclasses import replace
from shortlist.results.store import Store
from shortlist.results.writer import Sink
from results.test_writer import BLOCK, RUN, RUN_ID, copies, start
store = Store.open(Path(sys.argv[1]))
sink = Sink(store, RUN_ID, lambda ids: print(*ids, sep="\\n", flush=True))
start(sink)
for sample in copies(100_000):
    sink.sample(sample)
    sink.flush()
"""


def test_after_kill_9_every_acknowledged_sample_is_there(store: Store) -> None:
    path = store.path
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT / "tests")))}
    child = subprocess.Popen([sys.executable, "-c", KILLED, path], stdout=subprocess.PIPE, text=True, env=environment)
    assert child.stdout is not None
    acknowledged = [child.stdout.readline().strip() for _ in range(25)]
    child.kill()
    acknowledged += child.stdout.read().split()
    child.stdout.close()
    child.wait()
    assert child.returncode in (-signal.SIGKILL, 1)
    stored = {sample.id for sample in store.load_run(RUN_ID).samples}
    assert set(acknowledged) <= stored
    with Sink(store, RUN_ID) as sink:
        sink.flush()


def fill(path: Path) -> None:
    """Leave no byte free on the file system."""
    with path.open("wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while file.write(bytes(size)):
                    pass
            except OSError:
                continue


@pytest.mark.root
@pytest.mark.skipif(sys.platform != "linux" or not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root")
def test_a_really_full_file_system_loses_nothing(tmp_path: Path) -> None:
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", place], check=False)
    if mounted.returncode:
        pytest.skip("may not mount")
    try:
        given = copies(150, length=20_000)
        acknowledged: list[str] = []
        with Store.open(place / "results.db") as store:
            store.create_run(RUN.info, {})
            sink = Sink(store, RUN_ID, acknowledged.extend)
            start(sink)
            for sample in given[:20]:
                sink.sample(sample)
            sink.flush()
            fill(place / "filler")
            for sample in given[20:]:
                sink.sample(sample)
            sink.close()
            assert sink.failed is not None
            assert (len(acknowledged) + sink.kept, sink.lost) == (len(given), 0)
        (place / "filler").unlink()
        subprocess.run(["mount", "-o", "remount,size=64m", place], check=True)
        with Store.open(place / "results.db") as store:
            assert [s.id for s in store.load_run(RUN_ID).samples] == [s.id for s in given]
        assert not reserve_path(place / "results.db").exists()
    finally:
        subprocess.run(["umount", place], check=True)
