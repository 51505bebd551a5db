"""Kernel stamps, held against what a server in another thread saw on the same clock."""

import asyncio
import platform
import socket
import struct
import sys
import threading
from collections.abc import Callable
from itertools import pairwise

import pytest

from measure.loopback import (
    DONE,
    HEAD,
    ROLE,
    STOP,
    Exchange,
    ask,
    endpoint,
    event,
    loopback,
    planned,
    replay,
    run,
    spec,
)
from shortlist.clock import SYSTEM, realtime_offset_ns, sleep_blocking_ns, wall_ns
from shortlist.measure import reading
from shortlist.measure.drive import drive
from shortlist.measure.reading import (
    KernelStamps,
    SocketReader,
    StampedRead,
    ask_for_short_slices,
    ask_for_stamps,
    open_witness,
)
from shortlist.measure.transport import HttpTransport
from shortlist.measure.wire import parse_target
from shortlist.records import CLOCK_STEP, Sample

linux = pytest.mark.skipif(sys.platform != "linux", reason="the kernel stamps what a socket receives on Linux alone")

CHUNKS = 8
GAP_NS = 10_000_000
TOKEN = event({"content": "x"})


def framed(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


class SlowServer:
    """Answers each connection's first request from a thread; keeps the clock before and after every content chunk."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.writes: list[tuple[int, int]] = []
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}/v1"

    def serve(self) -> None:
        with self.listener, self.listener.accept()[0] as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.recv(65536)
            sock.sendall(HEAD + framed(ROLE))
            for _ in range(CHUNKS):
                sleep_blocking_ns(GAP_NS)
                before_ns = SYSTEM.now_ns()
                sock.sendall(framed(TOKEN))
                self.writes.append((before_ns, SYSTEM.now_ns()))
            sock.sendall(framed(STOP + DONE) + b"0\r\n\r\n")


def sample_of(server: SlowServer, meanwhile: Callable[[], None] | None = None) -> Sample:
    async def go() -> Sample:
        driving = asyncio.create_task(run(server.base_url, planned()))
        if meanwhile is not None:
            while not server.writes:
                await SYSTEM.sleep_ns(500_000)
            meanwhile()
        return (await driving)[0]

    sample = asyncio.run(go())
    server.thread.join()
    return sample


@linux
def test_a_chunk_is_stamped_by_the_kernel_between_its_write_and_its_reading() -> None:
    server = SlowServer()
    sample = sample_of(server)
    content = [c for c in sample.chunks if c.is_content]
    assert (sample.status, len(content)) == ("ok", CHUNKS)
    for chunk, (before_ns, _) in zip(content, server.writes, strict=True):
        assert chunk.lag_ns is not None
        assert chunk.lag_ns >= 0
        assert before_ns <= chunk.ns
    assert [c.ns for c in sample.chunks] == sorted(c.ns for c in sample.chunks)
    assert sample.end_ns == sample.chunks[-1].ns


@linux
@pytest.mark.parametrize("holds_the_interpreter", [False, True])
def test_a_stalled_event_loop_moves_no_stamp(holds_the_interpreter: bool) -> None:
    stalled_until_ns = 0

    def stall() -> None:
        nonlocal stalled_until_ns
        until_ns = SYSTEM.now_ns() + (CHUNKS + 2) * GAP_NS
        if holds_the_interpreter:
            while SYSTEM.now_ns() < until_ns:
                pass
        else:
            sleep_blocking_ns(until_ns - SYSTEM.now_ns())
        server.thread.join()
        stalled_until_ns = SYSTEM.now_ns()

    server = SlowServer()
    sample = sample_of(server, stall)
    content = [c.ns for c in sample.chunks if c.is_content]
    assert (sample.status, len(content)) == ("ok", CHUNKS)
    assert sample.end_ns is not None
    assert sample.end_ns < stalled_until_ns, "all was stamped while the loop stood still"
    assert all(before_ns <= ns for ns, (before_ns, _) in zip(content, server.writes, strict=True))
    assert len(set(content)) > 1, "the thread read while the loop stood still: chunks were not taken together"


@linux
def test_the_stamp_of_bytes_that_waited_is_from_before_the_wait() -> None:
    witness = open_witness()
    assert witness is not None
    near, far = witness
    with near, far:
        stamped, offset_ns = StampedRead(), realtime_offset_ns()
        assert offset_ns is not None
        before_ns = wall_ns()
        far.sendall(b"hello")
        after_ns = wall_ns()
        sleep_blocking_ns(30_000_000)
        data, stamp_ns = stamped.read(near.fileno())
    assert data == b"hello"
    assert stamp_ns is not None
    assert before_ns - 1_000 <= stamp_ns <= after_ns + 1_000


@linux
def test_a_read_without_bytes_raises_as_the_socket_module_does() -> None:
    witness = open_witness()
    assert witness is not None
    near, far = witness
    with near:
        near.setblocking(False)
        with pytest.raises(BlockingIOError):
            StampedRead().read(near.fileno())
        far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        far.close()
        with pytest.raises(ConnectionResetError, match="reset"):
            StampedRead().read(near.fileno())
    with pytest.raises(OSError, match="descriptor"):
        StampedRead().read(-1)


async def drive_once() -> tuple[str, Sample]:
    async with loopback(replay(HEAD + framed(TOKEN + STOP + DONE) + b"0\r\n\r\n")) as server:
        samples: list[Sample] = []
        basis = await drive(endpoint(server.base_url), {}, planned(), spec(), samples.append)
        return basis, samples[0]


@linux
def test_where_the_kernel_stamps_the_block_is_labelled_so() -> None:
    basis, sample = asyncio.run(drive_once())
    assert basis == "kernel"
    assert all(c.lag_ns is not None for c in sample.chunks)


def test_without_kernel_stamps_user_space_ones_are_used_and_labelled(monkeypatch: pytest.MonkeyPatch) -> None:
    # There is no other kernel to run this on; a socket that refuses the option is what gVisor shows.
    monkeypatch.setattr(reading, "ask_for_stamps", lambda _: False)
    basis, sample = asyncio.run(drive_once())
    assert (basis, sample.status) == ("socket read", "ok")
    assert {c.lag_ns for c in sample.chunks} == {None}


def test_a_system_without_epoll_reads_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    # This suite runs on Linux; what macOS would use is put in its place.
    monkeypatch.setattr(reading, "make_poller", reading._Selecting)

    async def go() -> list[Sample]:
        async with loopback(replay(HEAD + framed(TOKEN + STOP + DONE) + b"0\r\n\r\n")) as server:
            return await run(server.base_url, planned(12), spec(4))

    assert [(s.status, s.text) for s in asyncio.run(go())] == [("ok", "x")] * 12


def test_only_a_socket_takes_the_option() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        assert ask_for_stamps(sock) is (sys.platform == "linux")
    with socket.socket() as sock:
        sock.close()
        assert not ask_for_stamps(sock)


# --- the wall clock is set ------------------------------------------------------------------------------------------


def test_a_set_wall_clock_is_noticed_and_a_slow_drift_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    # Nobody may set the clock of the machine that tests run on.
    offsets = iter([10**18, 10**18 + 900, None, 10**18 + 1_000, 10**18 + 3_600 * 10**9])
    monkeypatch.setattr(reading, "realtime_offset_ns", lambda: next(offsets))
    clocks = KernelStamps()
    seen = []
    for _ in range(4):
        clocks.look_after(0)
        seen.append(clocks.steps)
    assert seen == [0, 0, 0, 1]
    assert clocks.lag_ns(10**18 + 3_600 * 10**9 + 5, 12) == 7
    assert clocks.lag_ns(None, 12) is None


@linux
def test_a_sample_during_which_the_wall_clock_was_set_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    is_set = threading.Event()

    def stepping() -> int | None:
        true_ns = realtime_offset_ns()
        return None if true_ns is None else true_ns + (3_600 * 10**9 if is_set.is_set() else 0)

    async def script(exchange: Exchange) -> None:
        is_set.set()
        await exchange.write(HEAD + framed(TOKEN + STOP + DONE) + b"0\r\n\r\n")

    monkeypatch.setattr(reading, "realtime_offset_ns", stepping)
    sample = asyncio.run(ask(script))
    assert (sample.status, sample.disturbance) == ("ok", (CLOCK_STEP,))


# --- the thread -----------------------------------------------------------------------------------------------------


def test_the_thread_ends_with_its_transport_and_the_switching_interval_is_restored() -> None:
    before, interval_s = threading.active_count(), sys.getswitchinterval()
    asyncio.run(ask(replay(HEAD + framed(TOKEN + STOP + DONE) + b"0\r\n\r\n")))
    assert threading.active_count() == before
    assert sys.getswitchinterval() == interval_s


def test_a_socket_is_not_read_after_it_was_removed() -> None:
    near, far = socket.socketpair()
    read = threading.Event()
    with near, far:
        reader = SocketReader(SYSTEM.now_ns)

        def on_readable() -> None:
            near.recv(10)
            read.set()

        try:
            reader.add(near, on_readable)
            far.send(b"a")
            assert read.wait(10)
            with reader.lock:
                reader.remove(near)
                reader.remove(near)
            read.clear()
            far.send(b"b")
            assert not read.wait(0.05)
        finally:
            reader.close()


def test_nothing_is_told_after_a_request_was_dropped() -> None:
    async def script(exchange: Exchange) -> None:
        exchange.writer.write(HEAD)
        while True:
            exchange.writer.write(framed(TOKEN))
            await SYSTEM.sleep_ns(0)

    async def go() -> tuple[Sample, int]:
        async with loopback(script) as server:
            samples: list[Sample] = []
            transport = HttpTransport(parse_target(server.base_url), SYSTEM.now_ns)
            how = spec(transport=transport, timeout_ns=60_000_000)
            await drive(endpoint(server.base_url), {}, planned(), how, samples.append)
            seen = len(samples[0].chunks)
            transport.close()
            return samples[0], seen

    sample, seen = asyncio.run(go())
    assert sample.status == "timeout"
    assert seen == len(sample.text) > 0
    assert [a.ns <= b.ns for a, b in pairwise(sample.chunks)] == [True] * (seen - 1)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_when_the_thread_died_nobody_waits_for_its_reading() -> None:
    near, far = socket.socketpair()

    def broken() -> None:
        raise ZeroDivisionError

    with near, far:
        reader = SocketReader(SYSTEM.now_ns)
        reader.add(near, broken)
        far.send(b"a")
        reader.close()
        assert not reader.is_reading


def test_short_slices_are_asked_for_without_a_right_and_where_there_is_no_such_call_nothing_is_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[bool] = []
    thread = threading.Thread(target=lambda: told.append(ask_for_short_slices()))
    thread.start()
    thread.join()
    is_known = sys.platform == "linux" and platform.machine() in ("x86_64", "aarch64")
    assert told == [is_known]
    monkeypatch.setattr(platform, "machine", lambda: "pdp11")
    assert not ask_for_short_slices()
