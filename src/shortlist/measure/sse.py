"""Server-sent events cut out of a byte stream, each with the stamp of the read that completed it.

Source: the WHATWG HTML standard, section "Server-sent events". Frames stay raw: nothing here looks inside them.
"""

import msgspec

from shortlist.errors import BrokenStream

_BOM = b"\xef\xbb\xbf"
_LINE_ENDS = (0x0A, 0x0D)
DONE = b"[DONE]"


# One is made per event inside the timed loop: this costs a quarter of a frozen dataclass, and no garbage collection.
class Frame(msgspec.Struct, frozen=True, gc=False):
    """One event. `ns`: stamp of the read that completed it; `is_cut`: the stream ended before its blank line."""

    data: bytes
    ns: int
    lag_ns: int | None = None
    event: bytes = b""
    is_cut: bool = False


class FrameSplitter:
    """Feed it what was read; it gives back the frames that this read completed.

    Lines end in LF, CR LF or CR. A frame that ends in CR is complete there: waiting to see whether LF follows would
    stamp it late. Raises BrokenStream when one frame grows over `limit_bytes`.
    """

    def __init__(self, limit_bytes: int = 8 * 1024 * 1024) -> None:
        self._limit_bytes = limit_bytes
        self._carry: list[bytes] = []
        self._data: list[bytes] = []
        self._event = b""
        self._pending_bytes = 0
        self._is_first_line = True
        self._skips_newline = False

    def feed(self, data: bytes, ns: int, lag_ns: int | None = None) -> list[Frame]:
        """Frames completed by this piece."""
        if data.endswith(b"\n\n") and self._is_between_frames:
            frames = _plain_frames(data, ns, lag_ns)
            if frames is not None:
                return frames
        return self._feed_any(data, ns, lag_ns)

    @property
    def _is_between_frames(self) -> bool:
        return not (self._carry or self._data or self._event or self._skips_newline or self._is_first_line)

    def _feed_any(self, data: bytes, ns: int, lag_ns: int | None) -> list[Frame]:
        if self._skips_newline and data:
            self._skips_newline = False
            if data[0] == 0x0A:
                data = data[1:]
        if not data:
            return []
        lines = data.splitlines(keepends=True)
        last = lines[-1]
        tail = b"" if last[-1] in _LINE_ENDS else lines.pop()
        self._skips_newline = last.endswith(b"\r")
        if lines and self._carry:
            lines[0] = b"".join((*self._carry, lines[0]))
            self._carry.clear()
        if tail:
            self._carry.append(tail)
        self._pending_bytes += len(data)
        frames: list[Frame] = []
        for line in lines:
            self._take(line, ns, lag_ns, frames)
        if self._pending_bytes > self._limit_bytes:
            raise BrokenStream(f"one event of the stream is over {self._limit_bytes} bytes")
        return frames

    def finish(self, ns: int) -> list[Frame]:
        """The stream is over: what was left without its blank line, marked as cut."""
        frames: list[Frame] = []
        if self._carry:
            self._take(b"".join(self._carry), ns, None, frames)
            self._carry.clear()
        if self._data:
            frames.append(Frame(b"\n".join(self._data), ns, None, self._event, is_cut=True))
            self._data.clear()
        return frames

    def _take(self, line: bytes, ns: int, lag_ns: int | None, frames: list[Frame]) -> None:
        line = line.rstrip(b"\r\n")
        if self._is_first_line:
            self._is_first_line = False
            line = line.removeprefix(_BOM)
        if not line:
            if self._data:
                data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
                frames.append(Frame(data, ns, lag_ns, self._event))
                self._data.clear()
            self._event = b""
            self._pending_bytes = 0
            return
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" "))
        elif name == b"event":
            self._event = value.removeprefix(b" ")


def _plain_frames(data: bytes, ns: int, lag_ns: int | None) -> list[Frame] | None:
    """The frames of whole events of one `data: ` line each, as nearly all are; None where there is anything else."""
    events = data[:-2].split(b"\n\n")
    if b"\r" in data or data.count(b"\n") != 2 * len(events):
        return None
    frames = []
    for event in events:
        if event[:6] != b"data: ":
            return None
        frames.append(Frame(event[6:], ns, lag_ns))
    return frames
