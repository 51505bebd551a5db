"""The demo that ships with Shortlist: three small models of our own and thirty meeting notes to try them on."""

from pathlib import Path
from typing import Final

_HERE: Final = Path(__file__).parent
_NAMES: Final = ("notes-small", "notes-medium", "notes-large")


def demo_names() -> tuple[str, ...]:
    """The demo models, smallest first."""
    return _NAMES


def demo_model_path(name: str) -> Path:
    """The GGUF file of a demo model. Raises KeyError for a name that is not in `demo_names()`."""
    return _HERE / "models" / f"{_known(name)}.gguf"


def demo_card_path(name: str) -> Path:
    """The card of a demo model. Raises KeyError for a name that is not in `demo_names()`."""
    return _HERE / "models" / f"{_known(name)}.card.json"


def demo_prompts_path() -> Path:
    """The demo's prompt suite, in the format of prompts.json."""
    return _HERE / "prompts.json"


def _known(name: str) -> str:
    if name not in _NAMES:
        raise KeyError(name)
    return name
