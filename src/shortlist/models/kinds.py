"""Which files of a repository are fetched at all: weights as GGUF, ONNX and safetensors, and plain data beside them.

Pickles, scripts and binaries are not, whatever they are called: the name is looked at before the first byte, and the
first bytes before the file can be seen.
"""

from pathlib import Path, PurePosixPath

from shortlist.errors import Unverified
from shortlist.modelfile import looks_like

WEIGHTS = (".gguf", ".onnx", ".onnx.data", ".onnx_data", ".safetensors")
DATA = (".json", ".jinja", ".jsonl", ".md", ".model", ".tiktoken", ".txt", ".yaml", ".yml")
_BARE = ("license", "licence", "notice", "readme", "use_policy")
_HEAD_BYTES = 64
_PROGRAMS = ((b"\x7fELF", "a program"), (b"MZ", "a program"), (b"#!", "a script"))


def is_fetched(path: str) -> bool:
    """Whether a file of this name is one that is fetched."""
    name = PurePosixPath(path).name.lower()
    return name.endswith((*WEIGHTS, *DATA)) or name in _BARE


def check_name(path: str) -> None:
    """Raise Unverified for a file that is never fetched."""
    if not is_fetched(path):
        raise Unverified(
            f"{path} is not fetched: only GGUF, ONNX and safetensors are, and the data beside them",
            hint="a checkpoint (.bin, .pt, .ckpt) is a pickle, which can run code: take the model's GGUF",
        )


def check_content(path: str, place: Path) -> None:
    """Raise Unverified for a whole file whose first bytes are not of its name's kind."""
    with place.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    name = path.lower()
    what, hint = looks_like(head)
    if name.endswith(".gguf") and not head.startswith(b"GGUF"):
        raise Unverified(f"{path} is not GGUF but {what}: it is not kept", hint=hint)
    is_unlike = name.endswith(".safetensors") and what != "safetensors"
    if is_unlike or "pickle" in what:
        raise Unverified(f"{path} is {what}: it is not kept", hint=hint)
    for magic, called in _PROGRAMS:
        if head.startswith(magic):
            raise Unverified(f"{path} is {called}: it is not kept")
