"""What a folder of ONNX Runtime GenAI (Foundry Local's format) says of itself, read before any engine sees its files.

`genai_config.json` and, where there is one, Foundry Local's `inference_model.json` are read within bounds and checked.
Refused are names that lead out of the folder, and anything that would have native code of the folder loaded: a library
of custom operators, an execution provider of its own.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec

from shortlist.errors import InvalidModel
from shortlist.modelfile import AGAIN, DAMAGED, looks_like, open_model

CONFIG_NAME = "genai_config.json"
FOUNDRY_NAME = "inference_model.json"
TOKENIZER_NAME = "tokenizer.json"
MAX_CONFIG_BYTES = 1 << 20
MAX_TOKENIZER_BYTES = 1 << 27
MAX_FILES = 1 << 12
PLACEHOLDER = "{Content}"
READ_AT_ONCE = 256
"""Tokens of a question that the engine reads at once; what it holds meanwhile grows with them."""

_LIBRARIES = (".so", ".dll", ".dylib", ".pyd", ".py")
_MODEL_BEGINNING = b"\x08"
"""A ModelProto begins with its field 1, the version of the format."""

_Count = Annotated[int, msgspec.Meta(ge=1, le=1 << 31)]


class _Decoder(msgspec.Struct):
    filename: str
    head_size: _Count | None = None
    hidden_size: _Count | None = None
    num_attention_heads: _Count | None = None
    num_hidden_layers: _Count | None = None
    num_key_value_heads: _Count | None = None
    session_options: dict[str, Any] = {}


class _Model(msgspec.Struct):
    decoder: _Decoder
    context_length: _Count
    type: str = ""
    vocab_size: _Count | None = None


class _Config(msgspec.Struct):
    model: _Model
    search: dict[str, Any] = {}


class _Foundry(msgspec.Struct):
    Name: str = ""
    PromptTemplate: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class OnnxFolder:
    """A checked folder. `template`: Foundry Local's, by role, `prompt` for the last question; None where it has none.

    `providers` are the execution providers that it was built for, in their order; none means the processor.
    """

    path: Path
    kind: str
    context_length: int
    layers: int | None
    width: int | None
    heads: int | None
    kv_heads: int | None
    head_size: int | None
    vocabulary: int | None
    providers: tuple[str, ...]
    template: Mapping[str, str] | None
    name: str
    weights_bytes: int
    tokenizer_bytes: int


def is_onnx_folder(path: Path) -> bool:
    """Whether it seems to be one."""
    return (path / CONFIG_NAME).is_file()


def trusted_root(folder: Path) -> Path:
    """Where the folder's links may lead: inside it, or for a snapshot of the Hugging Face cache to its repository."""
    real = folder.resolve()
    for place in real.parents:
        if place.name == "snapshots" and (place.parent / "blobs").is_dir():
            return place.parent
    return real


def read_folder(path: Path | str) -> OnnxFolder:
    """A folder's facts, checked. Raises InvalidModel: files missing, absurd, or leading where they must not."""
    folder = Path(path)
    if not is_onnx_folder(folder):
        raise InvalidModel(f"{folder}: is no ONNX model: it has no {CONFIG_NAME}", hint="name the folder that has one")
    raw = _json(folder / CONFIG_NAME)
    config = _convert(raw, _Config, folder / CONFIG_NAME)
    _refuse_code(raw, folder / CONFIG_NAME)
    root = trusted_root(folder)
    for name in (*_file_names(raw), CONFIG_NAME, TOKENIZER_NAME):
        _check_inside(folder, name, root)
    _check_model(folder / config.model.decoder.filename)
    foundry = _Foundry()
    if (folder / FOUNDRY_NAME).exists():
        _check_inside(folder, FOUNDRY_NAME, root)
        foundry = _convert(_json(folder / FOUNDRY_NAME), _Foundry, folder / FOUNDRY_NAME)
        _check_template(foundry.PromptTemplate, folder / FOUNDRY_NAME)
    decoder = config.model.decoder
    return OnnxFolder(
        path=folder,
        kind=config.model.type,
        context_length=config.model.context_length,
        layers=decoder.num_hidden_layers,
        width=decoder.hidden_size,
        heads=decoder.num_attention_heads,
        kv_heads=decoder.num_key_value_heads,
        head_size=decoder.head_size,
        vocabulary=config.model.vocab_size,
        providers=_providers(decoder, folder / CONFIG_NAME),
        template=foundry.PromptTemplate,
        name=foundry.Name,
        weights_bytes=_weights_bytes(folder, root),
        tokenizer_bytes=_tokenizer_bytes(folder),
    )


def _json(path: Path) -> Any:
    with open_model(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > MAX_CONFIG_BYTES:
            raise InvalidModel(f"{path}: has {size:,} bytes (at most {MAX_CONFIG_BYTES:,})", hint=DAMAGED)
        data = file.read(MAX_CONFIG_BYTES + 1)
    try:
        return msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidModel(f"{path}: is not JSON: {error}", hint=AGAIN) from None


def _convert(raw: Any, kind: type[Any], path: Path) -> Any:
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        raise InvalidModel(f"{path}: {str(error).replace('`', '')}", hint="get the folder again") from None


def _walk(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Every text with the key that it stands under."""
    if isinstance(value, dict):
        for name, inside in value.items():
            yield from _walk(inside, name)
    elif isinstance(value, list):
        for inside in value:
            yield from _walk(inside, key)
    elif isinstance(value, str):
        yield key, value


def _refuse_code(raw: Any, path: Path) -> None:
    for key, value in _walk(raw):
        if value and ("library" in key.lower() or value.lower().split("?")[0].endswith(_LIBRARIES)):
            raise InvalidModel(
                f"{path}: {key} names code to be loaded ({value[:80]}), and models bring none",
                hint="take a folder without custom operators",
            )


def _file_names(raw: Any) -> Iterator[str]:
    for key, value in _walk(raw):
        if value and (key == "filename" or key.endswith(("_filename", "_file", "_path"))):
            yield value


def _check_inside(folder: Path, name: str, root: Path) -> None:
    path = folder / name
    if not path.resolve().is_relative_to(root):
        raise InvalidModel(f"{folder}: {name[:120]} leads out of the folder", hint=DAMAGED)
    if not path.is_file():
        raise InvalidModel(f"{folder}: {name[:120]} is missing", hint=AGAIN)


def _check_model(path: Path) -> None:
    with open_model(path) as file:
        head = file.read(512)
    if not head.startswith(_MODEL_BEGINNING):
        what, hint = looks_like(head) if head else ("an empty file", AGAIN)
        raise InvalidModel(f"{path}: is no ONNX file: it looks like {what}", hint=hint)


def _check_template(template: Mapping[str, str] | None, path: Path) -> None:
    if template is None:
        return
    for role, text in template.items():
        if text.count(PLACEHOLDER) != 1:
            raise InvalidModel(f"{path}: PromptTemplate.{role} holds {PLACEHOLDER} not once", hint="mend that file")
    if "prompt" not in template:
        raise InvalidModel(f"{path}: PromptTemplate has no `prompt`, which holds the question", hint="mend that file")


def _providers(decoder: _Decoder, path: Path) -> tuple[str, ...]:
    listed = decoder.session_options.get("provider_options", [])
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise InvalidModel(f"{path}: provider_options is not a list of objects", hint=DAMAGED)
    names = [str(name).lower() for one in listed for name in one]
    return tuple(name for name in names if name != "cpu")


def _weights_bytes(folder: Path, root: Path) -> int:
    """All files but those of text: graph, weights beside it, and whatever else is read into memory."""
    total = 0
    for number, path in enumerate(sorted(folder.iterdir())):
        if number >= MAX_FILES:
            raise InvalidModel(f"{folder}: holds more than {MAX_FILES} files", hint="name the model's own folder")
        if path.is_file() and path.suffix not in (".json", ".jinja", ".txt", ".md", ".model"):
            if not path.resolve().is_relative_to(root):
                raise InvalidModel(f"{folder}: {path.name} leads out of the folder", hint=DAMAGED)
            total += path.stat().st_size
    return total


def _tokenizer_bytes(folder: Path) -> int:
    size = (folder / TOKENIZER_NAME).stat().st_size
    if size > MAX_TOKENIZER_BYTES:
        raise InvalidModel(f"{folder / TOKENIZER_NAME}: has {size:,} bytes", hint=DAMAGED)
    return size
