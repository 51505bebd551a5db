"""Models of the user's own: registered where they lie (`model add NAME PATH`), or copied into our own store (`--copy`).

A registration is an entry with a `source` in SHORTLIST_HOME's models.json, so the one resolver finds it; sizes and
SHA-256 of that moment stand in `added.json`, for `cache verify`. The store is the only folder with models that is ours
alone: what lies elsewhere is never deleted.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from shortlist import gguf
from shortlist.errors import BadInput, InvalidFile, InvalidModel
from shortlist.files import convert, read_json, write_whole
from shortlist.modelfile import looks_like, open_model, sha256_file
from shortlist.models.adapters import SUFFIX, Adapter, sources_of, weight_files, write_adapter
from shortlist.models.catalogue import LISTING_NAME
from shortlist.onnxfolder import CONFIG_NAME, read_folder, trusted_root
from shortlist.records import ModelFile, to_json

ADDED_NAME = "added.json"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
_PICKLES = (".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".bin", ".joblib")
_HEAD_BYTES = 512


@dataclass(frozen=True, slots=True)
class Added:
    """A registered model: its file or folder, when it was added, what its files were then (by their place inside)."""

    path: str
    at: str
    files: tuple[ModelFile, ...]


class _AddedFile(msgspec.Struct, forbid_unknown_fields=True):
    version: int = 1
    models: dict[str, Added] = {}


def model_files(path: Path) -> tuple[Path, tuple[Path, ...]]:
    """The file or folder to register, and all files of it: every part of a GGUF, or an ONNX folder's.

    Raises InvalidModel: a broken header, a folder without genai_config.json, a pickle, a link that leads out.
    """
    path = Path(os.path.abspath(path.expanduser()))  # noqa: PTH100 - links stay: a resolved one hides the user's name
    if not path.is_dir():
        header = gguf.read_header(path)
        if header.kind != "model":
            raise InvalidModel(f"{path} is not a model but a part of one: {header.kind}", hint="give the model's file")
        parts = gguf.split_files(header)
        return parts[0], parts
    if not (path / CONFIG_NAME).is_file():
        inside = sorted(one.name for one in path.glob("*.gguf"))
        hint = f"name the file: {path / inside[0]}" if inside else "an ONNX model's folder has one; else name a .gguf"
        raise InvalidModel(f"{path}: is a folder without {CONFIG_NAME}", hint=hint)
    read_folder(path)
    return path, tuple(_folder_files(path))


def _folder_files(folder: Path) -> Iterator[Path]:
    root = trusted_root(folder)
    for path in sorted(folder.rglob("*")):
        if path.is_dir():
            continue
        real = path.resolve()
        if not real.is_relative_to(root):
            raise InvalidModel(f"{path} leads out of its folder, to {real}", hint="put the file itself there")
        if not path.is_file():
            raise InvalidModel(f"{path} is not there, or not a regular file", hint="get the model again")
        _refuse_pickle(path)
        yield path


def _refuse_pickle(path: Path) -> None:
    with open_model(path) as file:
        head = file.read(_HEAD_BYTES)
    what, hint = looks_like(head) if head else ("", "")
    if "pickle" in what or path.suffix.lower() in _PICKLES:
        what = what if "pickle" in what else f"a {path.suffix} file, which may be a Python pickle"
        raise InvalidModel(f"{path} is {what}: it is not taken", hint=hint if "pickle" in what else "leave it out")


def checked_name(name: str) -> str:
    """A name that an alias can have. Raises BadInput for one that would be read as a path or a Hub name."""
    if not _NAME.fullmatch(name) or name.lower().endswith(".gguf"):
        raise BadInput(
            f"{name!r} cannot be a model's name", hint="letters, digits, dots and dashes, without .gguf at its end"
        )
    return name


def load_added(home: Path) -> Mapping[str, Added]:
    """What `model add` registered, by name. Raises InvalidFile."""
    path = home / ADDED_NAME
    return convert(read_json(path), _AddedFile, path).models if path.is_file() else {}


def digests(base: Path, files: tuple[Path, ...]) -> tuple[ModelFile, ...]:
    """Size and SHA-256 of each, by its place under the folder (or its name, for a file). Raises InvalidModel."""
    folder = base if base.is_dir() else base.parent
    return tuple(ModelFile(one.relative_to(folder).as_posix(), one.stat().st_size, sha256_file(one)) for one in files)


def register(home: Path, name: str, added: Added, facts: Mapping[str, object] | None = None) -> None:
    """Have the name mean this model from now on; `facts` are of its card, None keeps those that are there.

    Raises BadInput where it cannot be kept.

    The digests go first: a name without them would be believed unseen.
    """
    _write_added(home, {**load_added(home), name: added})
    _write_source(home, name, added.path, facts)


def unregister(home: Path, name: str) -> None:
    """Forget the name; of its files only the adapter file that `model add` wrote is deleted. Raises BadInput."""
    added = load_added(home)
    _write_source(home, name, None)
    _write_added(home, {known: one for known, one in added.items() if known != name})
    if name in added and Path(added[name].path) == adapter_place(home, name):
        adapter_place(home, name).unlink(missing_ok=True)


def adapter_place(home: Path, name: str) -> Path:
    """Where the adapter file of a name is kept."""
    return home / "adapters" / f"{name}{SUFFIX}"


def register_adapter(home: Path, name: str, adapter: Adapter, at: str, facts: Mapping[str, object]) -> Added:
    """Have the name mean this class with these weights from now on. Raises BadInput, InvalidModel.

    Each file with its digest, by its place on this host, for `cache verify`.
    """
    places = [*sources_of(adapter), *(path for _, path in weight_files(adapter))]
    files = tuple(ModelFile(str(place), place.stat().st_size, sha256_file(place)) for place in places)
    path = adapter_place(home, name)
    added = Added(str(path), at, files)
    write_adapter(path, adapter)
    register(home, name, added, facts)
    return added


def _write_added(home: Path, models: Mapping[str, Added]) -> None:
    _write(home / ADDED_NAME, to_json(_AddedFile(1, dict(models))))


def _write_source(home: Path, name: str, source: str | None, facts: Mapping[str, object] | None = None) -> None:
    """Change one entry of models.json and keep the rest as it stands there."""
    path = home / LISTING_NAME
    content = read_json(path) if path.is_file() else {"version": 1, "models": {}}
    if not isinstance(content, dict):
        raise InvalidFile(path, "$", "expected an object")
    models = content["models"] if isinstance(content.get("models"), dict) else content
    if source is None:
        models.pop(name, None)
        if not models:  # a list without a model is an error to its reader
            if content.keys() - {"version", "models"} and content is not models:
                path.replace(path.with_name(f"{path.name}.old"))  # prompts of the user's, which are not ours to delete
            else:
                path.unlink(missing_ok=True)
            return
    else:
        models[name] = {**models.get(name, {}), "source": source, **({"card": dict(facts)} if facts else {})}
    _write(path, msgspec.json.encode(content))


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, msgspec.json.format(content, indent=2) + b"\n")
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}") from None
