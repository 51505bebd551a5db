"""What is held out is decided by a hash of its text, so that anybody can prove it."""

from typing import Final, Literal
from zlib import crc32

Split = Literal["train", "heldout"]
HELDOUT_PERCENT: Final = 15


def bucket_of(text: str) -> Split:
    """The side of the split that `text` belongs to, for ever and on every machine."""
    return "heldout" if crc32(text.encode()) % 100 < HELDOUT_PERCENT else "train"


def triple_key(item: str, owner: str, date: str) -> str:
    """The text that is hashed for a note's facts."""
    return f"{item} | {owner} | {date}"
