"""One request while it runs, kept raw, and the `Sample` made of it once it is over."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from shortlist.clock import RunAxis, wall_ns
from shortlist.errors import ConnectionClosed, EndpointError, RequestTimeout
from shortlist.measure.reply import ReplyReader, error_status, not_a_stream
from shortlist.measure.sse import DONE, Frame, FrameSplitter
from shortlist.records import (
    CLOCK_STEP,
    RESENT,
    Chunk,
    Phase,
    Sample,
    SampleError,
    SampleStatus,
    TokenBasis,
    Usage,
    text_sha256,
    uuid7,
)

_HEAD_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class PlannedRequest:
    """One request that the plan wants, its body ready. `cell` is None in a warm-up, `prompt` the prompt's id.

    `due_offset_ns` counts from the start of the request's phase in an open loop and is None in a closed one.
    """

    cell: str | None
    prompt: str
    body: bytes
    phase: Phase = "measure"
    due_offset_ns: int | None = None
    is_streamed: bool = True


@dataclass(slots=True)
class Recording:
    """The raw record of one request, written while it runs: stamps and bytes, nothing looked into.

    It is the transport's recorder. The body is read as events (`is_stream`) when it was asked for as such and the
    status is good. `is_done` once `[DONE]` or the end came, `is_ended` with the end alone; `on_done` is called at
    `[DONE]`, perhaps on the reading thread.
    """

    planned: PlannedRequest
    seq: int
    due_ns: int
    sent_ns: int | None = None
    headers_ns: int | None = None
    end_ns: int | None = None
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    frames: list[Frame] = field(default_factory=list)
    body: list[bytes] = field(default_factory=list)
    body_bytes: int = 0
    error: Exception | None = None
    is_stream: bool = False
    is_done: bool = False
    is_ended: bool = False
    is_resent: bool = False
    has_stepped: bool = False
    on_done: Callable[[], object] | None = None
    _splitter: FrameSplitter = field(default_factory=FrameSplitter)

    def connected(self, *, is_reused: bool, is_resent: bool) -> None:  # noqa: ARG002 - whose word this is
        """A connection is there."""
        self.is_resent = self.is_resent or is_resent

    def sent(self, ns: int) -> None:
        """The first byte is about to be written."""
        self.sent_ns = ns

    def headed(self, ns: int, status: int, headers: dict[str, str]) -> None:
        """The head of the reply."""
        self.headers_ns, self.status, self.headers = ns, status, headers
        self.is_stream = self.planned.is_streamed and 200 <= status < 300

    def arrived(self, data: bytes, ns: int, lag_ns: int | None) -> None:
        """Body bytes of one read."""
        if not self.is_stream:
            self.body.append(data)
            return
        frames = self._splitter.feed(data, ns, lag_ns)
        if frames:
            self.frames += frames
            if not self.is_done and (frames[-1].data == DONE or (len(frames) > 1 and _has_done(frames))):
                self.is_done, self.end_ns = True, ns
                if self.on_done is not None:
                    self.on_done()
        elif not self.frames and self.body_bytes < _HEAD_BYTES:
            self.body.append(data)
            self.body_bytes += len(data)

    def ended(self, ns: int) -> None:
        """The reply is complete."""
        self.is_done = self.is_ended = True
        self.end_ns = ns

    def clock_stepped(self) -> None:
        """The wall clock was set while the request ran."""
        self.has_stepped = True

    def close_stream(self) -> None:
        """Nothing more comes: what the stream left unfinished becomes a cut frame. A second call changes nothing."""
        self.frames += self._splitter.finish(self.due_ns if self.end_ns is None else self.end_ns)


class SampleBuilder:
    """Reads a finished recording a few frames at a time, so that other streams are not kept from being stamped."""

    def __init__(self, recording: Recording, axis: RunAxis) -> None:
        self._recording = recording
        self._axis = axis
        self._reply = ReplyReader(axis.origin_ns)
        # What goes wrong on the connection after [DONE] does not undo a complete reply.
        self._error = None if recording.is_done else recording.error

    def steps(self, frames_per_step: int) -> Iterator[None]:
        """Read everything; yields after every few frames."""
        recording = self._recording
        try:
            if recording.is_stream and recording.status not in (204, 205):
                yield from self._stream_steps(frames_per_step)
            elif recording.status:
                self._read_whole()
        except EndpointError as error:
            self._error = error

    def _stream_steps(self, frames_per_step: int) -> Iterator[None]:
        recording, reply = self._recording, self._reply
        recording.close_stream()
        if not recording.frames and self._error is None:
            raise not_a_stream(b"".join(recording.body))
        pending = iter(recording.frames)
        while batch := list(islice(pending, frames_per_step)):
            for frame in batch:
                reply.take(frame)
            yield
        if self._error is None:
            reply.end_stream()

    def _read_whole(self) -> None:
        recording, body = self._recording, b"".join(self._recording.body)
        if not 200 <= recording.status < 300 or recording.status in (204, 205):
            if not isinstance(self._error, RequestTimeout):
                raise error_status(recording.status, recording.headers, body)
        elif self._error is None:
            self._reply.take_whole(body)

    def sample(self, block: str, executor: str) -> Sample:
        """The finished sample, on the run's axis."""
        axis, recording, reply, error = self._axis, self._recording, self._reply, self._error
        status, text = _status(error, has_content=reply.has_content), reply.text

        def on_axis(stamp_ns: int | None) -> int | None:
            return None if stamp_ns is None else axis.relative(stamp_ns)

        return Sample(
            id=uuid7(wall_ns()),
            cell=recording.planned.cell,
            block=block,
            executor=executor,
            phase=recording.planned.phase,
            status=status,
            seq=recording.seq,
            due_ns=axis.relative(recording.due_ns),
            sent_ns=on_axis(recording.sent_ns),
            headers_ns=on_axis(recording.headers_ns),
            end_ns=on_axis(recording.end_ns),
            chunks=tuple(reply.chunks),
            usage=reply.usage,
            cached_tokens=reply.cached_tokens,
            token_basis=_token_basis(reply.usage, reply.chunks),
            finish_reason=reply.finish_reason,
            text=text,
            reasoning=reply.reasoning,
            text_sha256=text_sha256(text) if text or status in ("ok", "empty") else None,
            error=None if error is None else _sample_error(error),
            disturbance=(RESENT,) * recording.is_resent + (CLOCK_STEP,) * recording.has_stepped,
            prompt=recording.planned.prompt,
        )


def _has_done(frames: list[Frame]) -> bool:
    return any(frame.data == DONE for frame in frames)


def _status(error: Exception | None, *, has_content: bool) -> SampleStatus:
    if error is None:
        return "ok" if has_content else "empty"
    if isinstance(error, RequestTimeout):
        return "timeout"
    return "partial" if has_content and isinstance(error, ConnectionClosed) else "failed"


def _token_basis(usage: Usage | None, chunks: list[Chunk]) -> TokenBasis | None:
    if usage is not None and usage.completion_tokens is not None:
        return "usage"
    return "chunks" if any(c.is_content for c in chunks) else None


def _sample_error(error: Exception) -> SampleError:
    return SampleError(type(error).__name__, str(error) or type(error).__name__)
