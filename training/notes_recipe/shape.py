"""The sizes of a small Llama and the constants that all of ours share; needs no torch."""

from dataclasses import dataclass
from typing import Final

NORM_EPS: Final = 1e-5
ROPE_THETA: Final = 10_000.0


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes that a Llama is known by."""

    width: int
    layers: int
    heads: int
    feed_forward: int
    vocabulary: int

    @property
    def head_width(self) -> int:
        """Width of one attention head."""
        return self.width // self.heads


VOCABULARY: Final = 768
SHAPES: Final = {
    "notes-small": Shape(64, 2, 2, 160, VOCABULARY),
    "notes-medium": Shape(96, 2, 3, 256, VOCABULARY),
    "notes-large": Shape(160, 4, 5, 416, VOCABULARY),
}
"""The three that ship."""
