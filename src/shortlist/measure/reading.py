"""The thread that takes bytes off sockets as they arrive, and the stamps that the kernel put on them.

A thread, because TCP keeps one stamp, the last, for segments that wait together: a loop that is late by several chunks
would find them as one. Python's other threads give way to it within `SWITCH_S`, so a busy loop does not stop it.
"""

import contextlib
import ctypes
import os
import platform
import select
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Protocol

from shortlist.clock import monotonic_ns, realtime_offset_ns, sleep_blocking_ns

SWITCH_S = 0.0005
READ_BYTES = 64 * 1024
_SO_TIMESTAMPNS = 35  # Linux; the socket module of Python 3.11 does not name it
_ANCILLARY_BYTES = 64
_STAMP = struct.Struct("@Niill")  # cmsghdr: length, level, type; then a timespec
_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}
_SCHED_ATTR = struct.Struct("=IIQiIQQQ")  # size, policy, flags, nice, priority, runtime, deadline, period
_SLICE_NS = 100_000
_STEP_NS = 100_000
_SELECT_S = 0.005
_MANY = 16
_GATHER_NS = 1_000
_MOST_GATHER_NS = 250_000
_LOOK_NS = 1_000_000
_READABLE = 1  # select.POLLIN and select.EPOLLIN
_WITNESS_TRIES = 100
_WITNESS_WAIT_NS = 1_000_000

NowNs = Callable[[], int]
OnReadable = Callable[[], None]


def ask_for_stamps(sock: socket.socket) -> bool:
    """Have the kernel stamp what this socket receives; whether it will."""
    if sys.platform != "linux":
        return False
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    except OSError:  # a kernel in user space (gVisor) may not know it
        return False
    return True


def ask_for_short_slices() -> bool:
    """Have Linux (6.12 on) wake this thread before others of its core end their slices; whether that was asked for.

    No right is needed for it, and the thread gets no more time in all. Source: sched_setattr(2), and EEVDF's rule that
    a waking task with a shorter slice preempts one with a longer.
    """
    number = _SCHED_SETATTR.get(platform.machine())
    if sys.platform != "linux" or number is None:
        return False
    asked = ctypes.create_string_buffer(
        _SCHED_ATTR.pack(_SCHED_ATTR.size, 0, 0, 0, 0, _SLICE_NS, 0, 0), _SCHED_ATTR.size
    )
    return int(ctypes.CDLL(None, use_errno=True).syscall(number, 0, asked, 0)) == 0


def open_witness() -> tuple[socket.socket, socket.socket] | None:
    """A loopback connection on which the kernel was seen to stamp; None where it does not.

    The kernel begins to stamp some milliseconds after a first socket asked for it and ends when the last such socket is
    closed: without a witness, held open, the first chunks of a block would have no stamp.
    """
    with contextlib.ExitStack() as kept, contextlib.suppress(OSError):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            near = kept.enter_context(socket.create_connection(listener.getsockname(), timeout=1.0))
            far = kept.enter_context(listener.accept()[0])
        if not ask_for_stamps(near):
            return None
        for _ in range(_WITNESS_TRIES):
            far.send(b"?")
            if near.recvmsg(1, _ANCILLARY_BYTES)[1]:
                kept.pop_all()
                return near, far
            sleep_blocking_ns(_WITNESS_WAIT_NS)
    return None


class _Piece(ctypes.Structure):
    _fields_ = (("start", ctypes.c_void_p), ("size", ctypes.c_size_t))


class _Message(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_size", ctypes.c_uint32),
        ("pieces", ctypes.POINTER(_Piece)),
        ("piece_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_size", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class StampedRead:
    """`recvmsg` of the C library into buffers of our own, called without giving up the interpreter.

    Python's own releases it around every call, and with another thread busy each read then waits a switching interval
    to get it back: 256 streams were 100 ms late. One object serves one thread.
    """

    def __init__(self) -> None:
        self._recvmsg = ctypes.PyDLL(None, use_errno=True).recvmsg
        self._recvmsg.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_int)
        self._recvmsg.restype = ctypes.c_ssize_t
        self._data = ctypes.create_string_buffer(READ_BYTES)
        self._control = ctypes.create_string_buffer(_ANCILLARY_BYTES)
        self._view = memoryview(self._data)
        self._piece = _Piece(ctypes.addressof(self._data), READ_BYTES)
        self._message = _Message(
            pieces=ctypes.pointer(self._piece), piece_count=1, control=ctypes.addressof(self._control)
        )
        self._address = ctypes.addressof(self._message)

    def read(self, fd: int) -> tuple[bytes, int | None]:
        """Bytes and the kernel's CLOCK_REALTIME stamp, None where there is none. Raises OSError as `socket.recv` does.

        Of several segments read at once the kernel gives the last one's stamp.
        """
        self._message.control_size = _ANCILLARY_BYTES
        size = self._recvmsg(fd, self._address, 0)
        if size < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        stamp_ns = None
        if self._message.control_size >= _STAMP.size:
            _, level, kind, seconds, nanoseconds = _STAMP.unpack_from(self._control)
            if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS:
                stamp_ns = seconds * 1_000_000_000 + nanoseconds
        return bytes(self._view[:size]), stamp_ns


class KernelStamps:
    """Turns the kernel's stamps, which are CLOCK_REALTIME, into monotonic time.

    `steps` counts how often the wall clock was set between two looks at both clocks.
    """

    def __init__(self) -> None:
        self._offset_ns = realtime_offset_ns()
        self._looked_ns = monotonic_ns()
        self.steps = 0

    def look_after(self, pause_ns: int) -> None:
        """Compare the clocks unless that was done less than a pause ago."""
        now_ns = monotonic_ns()
        if now_ns - self._looked_ns >= pause_ns:
            self._looked_ns = now_ns
            self.look()

    def look(self) -> None:
        """Compare the clocks now; also at the end of every reply."""
        offset_ns = realtime_offset_ns()
        if offset_ns is None:
            return
        if self._offset_ns is not None and abs(offset_ns - self._offset_ns) > _STEP_NS:
            self.steps += 1
        self._offset_ns = offset_ns

    def lag_ns(self, stamp_ns: int | None, read_ns: int) -> int | None:
        """How much later than the kernel's stamp something was read, at a monotonic time; None: unknown."""
        if stamp_ns is None or self._offset_ns is None:
            return None
        return max(0, read_ns - (stamp_ns - self._offset_ns))


class Poller(Protocol):
    """What `select.epoll` offers and is used here."""

    def register(self, fd: int, events: int, /) -> None:
        """Watch a descriptor."""
        ...

    def unregister(self, fd: int, /) -> None:
        """Watch it no more."""
        ...

    def poll(self) -> list[tuple[int, int]]:
        """Wait for descriptors with something to read."""
        ...

    def close(self) -> None:
        """Watch nothing any more."""
        ...


class _Selecting:
    """A poller for systems without epoll. Looks again every few milliseconds: `select` learns of nothing meanwhile."""

    def __init__(self) -> None:
        self._fds: set[int] = set()

    def register(self, fd: int, _events: int, /) -> None:
        self._fds = self._fds | {fd}

    def unregister(self, fd: int, /) -> None:
        self._fds = self._fds - {fd}

    def poll(self) -> list[tuple[int, int]]:
        while True:
            with contextlib.suppress(OSError):  # one was closed meanwhile
                ready, _, _ = select.select(self._fds, (), (), _SELECT_S)
                if ready:
                    return [(fd, _READABLE) for fd in ready]

    def close(self) -> None:
        self._fds = set()


def make_poller() -> Poller:
    """The best that this system has for being used from two threads."""
    return select.epoll() if sys.platform == "linux" else _Selecting()


class SocketReader:
    """Owns the thread. `lock` is held while a socket is read and its bytes are taken: whoever holds it is alone.

    `is_reading` while sockets are left to be read: other work had better wait.
    """

    def __init__(self, now_ns: NowNs) -> None:
        self.lock = threading.Lock()
        self.clocks = KernelStamps()
        self.is_reading = False
        self._now_ns = now_ns
        self._witness = open_witness()
        self._stamped = StampedRead() if self._witness else None
        self._poller = make_poller()
        self._callbacks: dict[int, OnReadable] = {}
        self._woken, self._waker = socket.socketpair()
        self._poller.register(self._woken.fileno(), _READABLE)
        self._thread = threading.Thread(target=self._run, name="shortlist-reader", daemon=True)
        self._thread.start()

    @property
    def has_kernel_stamps(self) -> bool:
        """The kernel was seen to stamp what a socket receives."""
        return self._witness is not None

    def add(self, sock: socket.socket, on_readable: OnReadable) -> None:
        """Call this on the thread, under the lock, whenever there is something to read; it raises nothing."""
        with self.lock:
            self._callbacks[sock.fileno()] = on_readable
            self._poller.register(sock.fileno(), _READABLE)

    def remove(self, sock: socket.socket) -> None:
        """Read it no more; under the lock, and before it is closed."""
        if self._callbacks.pop(sock.fileno(), None) is not None:  # it may have been removed before
            self._poller.unregister(sock.fileno())

    def read(self, sock: socket.socket) -> tuple[bytes, int, int | None]:
        """Bytes, when they arrived, and how much later they were read (None: the kernel gave no stamp)."""
        if self._stamped is None:
            return sock.recv(READ_BYTES), self._now_ns(), None
        data, stamp_ns = self._stamped.read(sock.fileno())
        read_ns = self._now_ns()
        lag_ns = self.clocks.lag_ns(stamp_ns, read_ns)
        return data, read_ns - (lag_ns or 0), lag_ns

    def close(self) -> None:
        """End the thread and wait for it; the sockets stay their owners'."""
        self._waker.close()
        self._thread.join()
        self._poller.close()
        self._woken.close()
        for sock in self._witness or ():
            sock.close()

    def _run(self) -> None:
        ask_for_short_slices()
        try:
            while self._turn():
                pass
        finally:
            self.is_reading = False  # whatever ended the thread: nobody may wait for it

    def _turn(self) -> bool:
        """Wait, and read what is ready; False once the thread is to end."""
        self.is_reading = False
        if len(self._callbacks) >= _MANY:  # one wait then serves several; the kernel's stamps are taken by now
            sleep_blocking_ns(min(len(self._callbacks) * _GATHER_NS, _MOST_GATHER_NS))
        ready = self._poller.poll()
        self.is_reading = True
        self.clocks.look_after(_LOOK_NS)
        for fd, _ in ready:
            if fd == self._woken.fileno():
                return False
            with self.lock:
                on_readable = self._callbacks.get(fd)
                if on_readable is not None:
                    on_readable()
        return True


@contextlib.contextmanager
def quick_switching() -> Iterator[None]:
    """Threads give way to each other within `SWITCH_S` until the block is over, and not within Python's 5 ms."""
    before_s = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_S)
    try:
        yield
    finally:
        sys.setswitchinterval(before_s)
