"""The text of an answer on its way out: stop strings found across pieces, halves of characters held together."""

from collections.abc import Sequence

_HIGH, _LOW, _END = 0xD800, 0xDC00, 0xE000


class TextFilter:
    """Takes pieces as they are generated, and gives what may be shown already.

    A text that could be the beginning of a stop string is held back until it is told apart from one. A character that
    comes as two halves (UTF-16 surrogates, as JSON may split them) is put together; a half alone becomes U+FFFD, since
    no UTF-8 can hold it.
    """

    def __init__(self, stops: Sequence[str] = ()) -> None:
        self._stops = tuple(stops)
        self._half = ""
        self._held = ""
        self.is_stopped = False

    def take(self, piece: str) -> str:
        """What may be shown after this piece; nothing more once a stop string was found."""
        if self.is_stopped:
            return ""
        self._held += self._joined(piece)
        at = [place for place in (self._held.find(stop) for stop in self._stops) if place >= 0]
        if at:
            self.is_stopped = True
            shown, self._held = self._held[: min(at)], ""
            return shown
        keep = self._possible()
        shown, self._held = self._held[: len(self._held) - keep], self._held[len(self._held) - keep :]
        return shown

    def rest(self) -> str:
        """What was held back, when nothing follows."""
        shown = "" if self.is_stopped else self._held + ("\ufffd" if self._half else "")
        self._held = self._half = ""
        return shown

    def _joined(self, piece: str) -> str:
        """The piece with what it lacks or leaves over; as fast as can be for the usual one, which has no halves."""
        if not self._half:
            try:
                piece.encode()
            except UnicodeEncodeError:
                pass
            else:
                return piece
        text, self._half = self._half + piece, ""
        if text and _HIGH <= ord(text[-1]) < _LOW:
            text, self._half = text[:-1], text[-1]
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")

    def _possible(self) -> int:
        """How many of the last characters may be the beginning of a stop string."""
        longest = max((len(stop) - 1 for stop in self._stops), default=0)
        for count in range(min(longest, len(self._held)), 0, -1):
            if any(stop.startswith(self._held[-count:]) for stop in self._stops):
                return count
        return 0
