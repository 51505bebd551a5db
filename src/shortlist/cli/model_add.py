"""`shortlist model add`: a name for a model of your own, used where it lies."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from shortlist import settings as settings_file
from shortlist import units
from shortlist.cli.output import emit, emit_json, say
from shortlist.errors import BadInput

if TYPE_CHECKING:
    from shortlist.settings import Settings


@click.command(name="add")
@click.argument("name")
@click.argument("path", type=click.Path(path_type=Path), required=False)
@click.option(
    "--adapter", help="A Python class of yours: FILE.py:Class, module:Class, or an entry point; PATH: its weights."
)
@click.option("--copy", "is_copied", is_flag=True, help="Copy it into our own store: for a USB stick, say.")
@click.option("--licence", help="Its licence: an SPDX name, or the Hub's tag. [what the header says]")
@click.option("--capability", "capabilities", multiple=True, help="A tag such as chat; repeatable.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    *,
    name: str,
    path: Path | None,
    adapter: str | None,
    is_copied: bool,
    licence: str | None,
    capabilities: tuple[str, ...],
    as_json: bool,
) -> None:
    """Give a GGUF file or an ONNX folder a name, where it lies: nothing is copied or moved.

    The header is read within bounds, every file hashed for `cache verify`. Folders with Python pickles, and links that
    lead out of the folder, are refused. With --adapter the model is a Python class that loads PATH (docs/adapters.md).
    The name goes into models.json in SHORTLIST_HOME.
    """
    from shortlist.clock import iso, wall_ns
    from shortlist.models import shelf

    settings = settings_file.load()
    if adapter is not None:
        if is_copied:
            raise BadInput("--copy is for model files; a class and its weights are used where they lie")
        _add_adapter(settings, name, adapter, path, _typed_facts(licence, capabilities), as_json=as_json)
        return
    if path is None:
        raise BadInput(
            "no file or folder is named", hint="shortlist model add NAME FILE.gguf, or --adapter module:Class"
        )
    base, files = shelf.model_files(path)
    _check_free(settings, shelf.checked_name(name), base)
    facts = _facts(base, licence, capabilities)
    if is_copied:
        base, files = _copied(settings, name, base, files)
    added = shelf.Added(str(base), iso(wall_ns()), shelf.digests(base, files))
    shelf.register(settings.home, name, added, facts)
    size = sum(file.size_bytes or 0 for file in added.files)
    if as_json:
        emit_json("shortlist-model-add", {"name": name, "path": str(base), "size_bytes": size, "files": added.files})
        return
    emit(f"{name} is {base} ({units.counted(len(files), 'file')}, {units.size(size)})", asked_ascii=settings.ascii)
    say(f"  shortlist model run {name}, or shortlist bench {name}")


def _check_free(settings: "Settings", name: str, base: Path) -> None:
    """Raise BadInput for a name that means another model already."""
    from shortlist.cli.model_host import library_here
    from shortlist.models.names import parse_name
    from shortlist.models.shelf import load_added

    added = load_added(settings.home).get(name)
    if added is not None:
        if Path(added.path) != base:
            raise BadInput(f"{name} is {added.path}", hint=f"another name, or first: shortlist model remove {name}")
        return
    known = library_here(settings).card(parse_name(name))
    if known is not None:
        raise BadInput(f"{name} means {known.alias} of the catalogue or of models.json", hint="choose another name")


def _facts(base: Path, licence: str | None, capabilities: tuple[str, ...]) -> dict[str, object]:
    """What the header tells of the model, and what was typed."""
    from shortlist import gguf
    from shortlist.onnxfolder import read_folder

    found: dict[str, object] = {}
    if base.is_file():
        header = gguf.read_header(base)
        found = {
            "family": header.architecture,
            "context_length": header.context_length,
            "parameters": header.parameters,
            "licence": header.licence,
        }
    else:
        folder = read_folder(base)
        found = {"family": folder.kind or None, "context_length": folder.context_length}
    return {fact: value for fact, value in found.items() if value is not None} | _typed_facts(licence, capabilities)


def _typed_facts(licence: str | None, capabilities: tuple[str, ...]) -> dict[str, object]:
    from shortlist.models.spdx import to_spdx

    found: dict[str, object] = {"capabilities": list(capabilities)} if capabilities else {}
    if licence is not None:
        spelled = to_spdx(licence)
        if spelled.problem is not None:
            raise BadInput(f"{licence!r} is not a licence: {spelled.problem}", hint="write it like Apache-2.0")
        found["licence"] = spelled.text
    return found


def _add_adapter(
    settings: "Settings", name: str, reference: str, weights: Path | None, facts: dict[str, object], *, as_json: bool
) -> None:
    """Register a class with its weights. It is not imported: `model run` and `bench` do that, in a child."""
    from shortlist.clock import iso, wall_ns
    from shortlist.models import shelf
    from shortlist.models.adapters import parse_adapter

    adapter = parse_adapter(reference, weights, Path.cwd())
    _check_free(settings, shelf.checked_name(name), shelf.adapter_place(settings.home, name))
    added = shelf.register_adapter(settings.home, name, adapter, iso(wall_ns()), facts)
    if as_json:
        size = sum(file.size_bytes or 0 for file in added.files)
        emit_json("shortlist-model-add", {"name": name, "path": added.path, "size_bytes": size, "files": added.files})
        return
    with_weights = f" with {adapter.weights}" if adapter.weights else ""
    emit(f"{name} is {adapter.file or adapter.module}:{adapter.name}{with_weights}", asked_ascii=settings.ascii)
    say(f"  shortlist model run {name}, or shortlist bench {name}")


def _copied(settings: "Settings", name: str, base: Path, files: tuple[Path, ...]) -> tuple[Path, tuple[Path, ...]]:
    from shortlist.models.moving import place_copy, store_folder

    folder = store_folder(settings) / name
    root = base if base.is_dir() else base.parent
    targets = tuple(folder / file.relative_to(root) for file in files)
    for file, target in zip(files, targets, strict=True):
        place_copy(file, target)
    return (folder if base.is_dir() else folder / base.name), targets
