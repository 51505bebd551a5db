"""GGUF files with a chat template of one's own: the demo model's, its template replaced in place."""

import struct
from pathlib import Path

from shortlist.models.refs import resolve

_KEY = b"tokenizer.chat_template"


def with_template(path: Path, template: str) -> Path:
    """Write the small demo model with this template, which may be as long as the true one at most."""
    found = resolve("notes-small").path
    assert found is not None
    data = found.read_bytes()
    at = data.index(_KEY) + len(_KEY) + 4
    (size,) = struct.unpack("<Q", data[at : at + 8])
    told = template.encode().ljust(size)
    assert len(told) == size
    path.write_bytes(data[: at + 8] + told + data[at + 8 + size :])
    return path
