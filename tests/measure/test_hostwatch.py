"""What the host tells: real counters of real processes, and recorded texts of `/proc` with parts broken or missing."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shortlist.clock import sleep_blocking_ns
from shortlist.measure import hostwatch
from shortlist.measure.hostwatch import HostWatch, LinuxReader, PsutilReader, Span, clean_name
from spinner import spinner

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

STAT = "cpu  {user} 0 {system} 67081 359 0 83 {steal} 7 0\ncpu0 1 2 3 4\nintr 1 2\n"
PRESSURE = "some avg10=2.55 avg60=4.71 avg300=8.91 total={total}\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"


def process_stat(pid: int, name: str, parent: int, ticks: int) -> str:
    return f"{pid} ({name}) R {parent} {pid} {pid} 0 -1 4194304 1 0 0 0 {ticks} 0 0 0 20 0 1 0 100 0 0\n"


class Snapshots:
    """A `/proc` and a `/sys` of files, changed between readings."""

    def __init__(self, root: Path) -> None:
        self.proc, self.sys = root / "proc", root / "sys"
        self.write("stat", STAT.format(user=1000, system=100, steal=5))
        self.write("pressure/cpu", PRESSURE.format(total=1000))
        self.process(os.getpid(), "shortlist", 1, 50)
        self.process(900, "engine", os.getpid(), 300)
        self.process(2, "kthreadd", 0, 0)
        self.process(33, "kworker/u8:2", 2, 10)
        self.process(700, "apt", 1, 100)
        self.write("900/task/900/schedstat", "5000000 7000000 12\n")

    def write(self, name: str, text: str) -> None:
        path = self.proc / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("utf-8", "surrogateescape"))

    def process(self, pid: int, name: str, parent: int, ticks: int) -> None:
        self.write(f"{pid}/stat", process_stat(pid, name, parent, ticks))
        self.write(f"{pid}/comm", f"{name}\n")

    def cpu(self, name: str, text: str, number: int = 0) -> None:
        path = self.sys / f"devices/system/cpu/cpu{number}" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="ascii")

    def reader(self) -> LinuxReader:
        return LinuxReader((900,), self.proc, self.sys)


@pytest.fixture
def host(tmp_path: Path) -> Snapshots:
    return Snapshots(tmp_path)


@contextmanager
def reading(host: Snapshots) -> Iterator[LinuxReader]:
    reader = host.reader()
    try:
        assert reader.read(10**9) is None, "the first reading only sets the start"
        yield reader
    finally:
        reader.close()


def read(reader: LinuxReader, ns: int = 2 * 10**9) -> Span:
    span = reader.read(ns)
    assert span is not None
    return span


def test_others_are_told_from_the_engine_the_client_and_the_kernel(host: Snapshots) -> None:
    with reading(host) as reader:
        host.process(700, "apt", 1, 170)
        host.process(900, "engine", os.getpid(), 360)
        host.process(33, "kworker/u8:2", 2, 15)
        host.process(901, "engine-helper", 900, 20)
        host.process(750, "cc1plus", 700, 30)
        host.write("stat", STAT.format(user=1200, system=110, steal=25))
        host.write("pressure/cpu", PRESSURE.format(total=301000))
        host.write("900/task/900/schedstat", "5000000 57000000 14\n")
        span = read(reader)
    assert (span.start_ns, span.end_ns) == (10**9, 2 * 10**9)
    assert span.others_ns == (70 + 30) * 10**7
    assert span.by_name == (("apt", 700 * 10**6), ("cc1plus", 300 * 10**6))
    assert span.ours_ns == (60 + 20) * 10**7
    assert span.unseen_ns == (210 - 70 - 60 - 5 - 20 - 30) * 10**7
    assert span.steal_ns == 200 * 10**6
    assert span.pressure_ns == 300 * 10**6
    assert span.engine_waited_ns == 50 * 10**6


def test_two_processes_of_one_name_are_one_cause(host: Snapshots) -> None:
    with reading(host) as reader:
        host.process(801, "cc1", 700, 30)
        host.process(802, "cc1", 700, 40)
        span = read(reader)
    assert span.by_name == (("cc1", 700 * 10**6),)


def test_a_number_that_another_process_got_counts_from_zero(host: Snapshots) -> None:
    with reading(host) as reader:
        host.process(700, "gcc", 1, 5)
        span = read(reader)
    assert span.others_ns == 50 * 10**6
    assert span.by_name == (("gcc", 50 * 10**6),)


@pytest.mark.parametrize("name", ["a) R 1 (b", "spaced  name", "", "\x1b[31mred\n", "\udcff\udcfe"])
def test_a_name_may_hold_anything(host: Snapshots, name: str) -> None:
    host.process(700, name, 1, 100)
    with reading(host) as reader:
        host.process(700, name, 1, 150)
        span = read(reader)
    assert span.others_ns == 500 * 10**6
    assert span.by_name[0][0].isprintable()
    assert span.by_name[0][0]


def test_frequency_and_throttling_where_the_host_shows_them(host: Snapshots) -> None:
    for number, khz in ((0, "2600000"), (1, "3400000")):
        host.cpu("cpufreq/scaling_cur_freq", khz, number)
        host.cpu("thermal_throttle/core_throttle_count", "7\n", number)
    with reading(host) as reader:
        host.cpu("thermal_throttle/core_throttle_count", "9\n", 1)
        span = read(reader)
        assert reader.hidden == ("run-queue delay",)  # our own thread has no file in these snapshots
    assert (span.mhz, span.throttled) == (3400, 2)


@pytest.mark.parametrize("name", ["stat", "pressure/cpu", "900/task/900/schedstat", "700/stat", "700/comm"])
@pytest.mark.parametrize("broken", ["", "cpu", "some avg10=x", "1", "\x00\x01", "cpu a b c d e f g h"])
def test_a_broken_file_is_not_visible_and_the_rest_is_read(host: Snapshots, name: str, broken: str) -> None:
    host.write(name, broken)
    with reading(host) as reader:
        host.process(750, "other", 1, 40)
        span = read(reader)
    assert span.others_ns is not None
    assert span.others_ns >= 400 * 10**6


@pytest.mark.parametrize(
    ("name", "hidden"),
    [("stat", {"other processes", "steal"}), ("pressure/cpu", {"CPU pressure"})],
)
def test_a_missing_file_is_named_as_hidden(host: Snapshots, name: str, hidden: set[str]) -> None:
    (host.proc / name).unlink()
    with reading(host) as reader:
        read(reader)
        assert hidden < set(reader.hidden)
        assert "frequency" in reader.hidden


def test_a_process_that_ends_and_one_that_starts_between_two_readings(host: Snapshots) -> None:
    with reading(host) as reader:
        (host.proc / "700/stat").unlink()
        host.process(701, "late", 1, 20)
        span = read(reader)
    assert span.by_name == (("late", 200 * 10**6),)


def test_clean_name_is_short_and_printable() -> None:
    assert clean_name("\x1b[2J" + "x" * 99 + "\n") == ("[2J" + "x" * 99)[:32]
    assert clean_name("\n") == "a process without a name"


@linux
def test_a_real_spinner_is_seen_by_its_name_and_what_it_took(tmp_path: Path) -> None:
    with spinner(tmp_path, "spins-a-lot"), HostWatch(()) as watch:
        while True:
            sleep_blocking_ns(50 * 10**6)
            spans = watch.spans()
            taken = sum(ns for span in spans for name, ns in span.by_name if name == "spins-a-lot")
            if taken > 100 * 10**6:
                break
        # Never more than one core's time: it has one thread.
        assert taken <= (spans[-1].end_ns - spans[0].start_ns) * 1.1


@linux
def test_our_own_work_and_that_of_our_children_is_not_others_work() -> None:
    child = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        with HostWatch((child.pid,)) as watch:
            until_s = os.times().user + 0.3  # processor time, however long a busy host takes to give it
            while os.times().user < until_s:
                pass
            watch.read()
            spans = watch.spans()
    finally:
        child.kill()
        child.wait()
    ours = sum(span.ours_ns or 0 for span in spans)
    assert ours > 200 * 10**6
    names = {name for span in spans for name, _ in span.by_name}
    mine = {clean_name((Path("/proc") / str(os.getpid()) / "comm").read_text())}
    others_of_that_name = [p for p in Path("/proc").glob("[0-9]*/comm") if clean_name(hostwatch._read(p)) in mine]
    if len(others_of_that_name) == 1:
        assert not names & mine


@linux
def test_the_engines_threads_and_ours_have_their_waiting_read() -> None:
    with HostWatch((os.getpid(),)) as watch:
        watch.read()
        assert watch.spans()[-1].client_waited_ns is not None
        assert "run-queue delay" not in watch.hidden


def test_elsewhere_psutil_gives_the_whole_and_names_nobody() -> None:
    reader = PsutilReader((os.getpid(),))
    assert reader.read(0) is None
    span = reader.read(10**9)
    assert span is not None
    assert span.unseen_ns is not None
    assert span.others_ns is None
    assert "run-queue delay" in reader.hidden
    reader.close()
