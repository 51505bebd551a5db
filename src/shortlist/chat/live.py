"""A reply while it arrives: told piece by piece, and held whole. It is the transport's recorder for people who watch.

`measure.recording` parses nothing until a request is over, because it is timed; here a person waits for the words.
"""

from collections.abc import Callable

from shortlist.measure.reply import ReplyReader, error_status, not_a_stream
from shortlist.measure.sse import FrameSplitter

Piece = tuple[str, str]
"""New text of the answer, and new text of what the model thinks aloud."""

_HEAD_BYTES = 64 * 1024


class LiveReply:
    """`on_piece` is called on the reading thread for every piece, `on_bytes` for anything at all that arrives."""

    def __init__(self, on_piece: Callable[[Piece], object], on_bytes: Callable[[], object]) -> None:
        self.reply = ReplyReader()
        self.sent_ns: int | None = None
        self.first_ns: int | None = None
        self.last_ns: int | None = None
        self._on_piece = on_piece
        self._on_bytes = on_bytes
        self._splitter = FrameSplitter()
        self._told = (0, 0)
        self._status = 0
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._body_bytes = 0

    def connected(self, *, is_reused: bool, is_resent: bool) -> None:
        """Of no interest here."""

    def sent(self, ns: int) -> None:
        """The request goes out."""
        self.sent_ns = ns

    def headed(self, ns: int, status: int, headers: dict[str, str]) -> None:  # noqa: ARG002 - the recorder's signature
        """The head of the reply."""
        self._status, self._headers = status, headers

    def arrived(self, data: bytes, ns: int, lag_ns: int | None) -> None:
        """Body bytes; what they complete is told at once. Raises EndpointError for what is no reply."""
        self._on_bytes()
        if self._body_bytes < _HEAD_BYTES:
            self._body.append(data)
            self._body_bytes += len(data)
        if self._is_refused:
            return
        for frame in self._splitter.feed(data, ns, lag_ns):
            self.reply.take(frame)
        self._tell(ns)

    def ended(self, ns: int) -> None:
        """The reply is complete."""

    def clock_stepped(self) -> None:
        """Of no interest here."""

    def close(self, ns: int) -> None:
        """Nothing more comes. Raises what the endpoint said went wrong, or BrokenStream, ConnectionClosed."""
        if self._is_refused:
            raise error_status(self._status, self._headers, b"".join(self._body))
        for frame in self._splitter.finish(ns):
            self.reply.take(frame)
        self._tell(ns)
        if not self.reply.chunks:
            raise not_a_stream(b"".join(self._body))
        self.reply.end_stream()

    @property
    def _is_refused(self) -> bool:
        return not 200 <= self._status < 300

    def _tell(self, ns: int) -> None:
        text, reasoning = self.reply.text, self.reply.reasoning
        piece = (text[self._told[0] :], reasoning[self._told[1] :])
        self._told = (len(text), len(reasoning))
        if any(piece):
            self.first_ns = ns if self.first_ns is None else self.first_ns
            self.last_ns = ns
            self._on_piece(piece)
