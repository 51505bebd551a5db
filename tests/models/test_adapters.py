"""Adapter files: found without an import, hashed with their code, and named only by those who may."""

import json
import sys
from pathlib import Path

import pytest

from shortlist.errors import BadInput, InvalidFile, InvalidModel, UnknownName
from shortlist.models import refs
from shortlist.models.adapters import adapter_variant, is_adapter, parse_adapter, read_adapter, write_adapter
from shortlist.models.catalogue import load_library, overlay
from shortlist.models.listing import load_listing
from shortlist.models.shelf import adapter_place, load_added, register_adapter, unregister
from shortlist.models.verify import verify_added
from shortlist.records import EngineOptions, make_candidate

CODE = "raise RuntimeError('imported')\nclass Notes:\n    pass\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "notes.py").write_text(CODE)
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "a.json").write_text("1")
    (tmp_path / "weights" / "b.json").write_text("2")
    return tmp_path


def identity(folder: Path, reference: str = "notes.py:Notes", weights: str | None = "weights") -> str:
    variant = adapter_variant(parse_adapter(reference, weights, folder))
    return make_candidate("x", "x", "adapter", variant, EngineOptions()).id


def test_a_candidates_id_changes_with_the_code_and_the_weights_and_nothing_else(folder: Path) -> None:
    first = identity(folder)
    assert identity(folder) == first
    (folder / "other.txt").write_text("no part of it")
    assert identity(folder) == first
    (folder / "weights" / "b.json").write_text("3")
    second = identity(folder)
    (folder / "notes.py").write_text(CODE + "# changed\n")
    assert len({first, second, identity(folder), identity(folder, weights=None)}) == 4


def test_no_place_of_this_host_is_in_a_variant_and_nothing_was_imported(folder: Path) -> None:
    variant = adapter_variant(parse_adapter(str(folder / "notes.py") + ":Notes", folder / "weights", Path("/")))
    assert [file.path for file in variant.files] == ["notes.py:Notes", "weights/a.json", "weights/b.json"]
    assert variant.size_bytes == len(CODE) + 2
    assert "notes" not in sys.modules


def test_a_package_counts_whole_and_its_parents_are_not_imported(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = folder / "acme_pkg" / "inner"
    package.mkdir(parents=True)
    (folder / "acme_pkg" / "__init__.py").write_text("raise RuntimeError('imported')\n")
    (package / "__init__.py").write_text("")
    (package / "model.py").write_text(CODE)
    monkeypatch.syspath_prepend(str(folder))
    first = identity(folder, "acme_pkg.inner.model:Notes")
    (folder / "acme_pkg" / "__init__.py").write_text("raise RuntimeError('imported again')\n")
    assert identity(folder, "acme_pkg.inner.model:Notes") != first
    with pytest.raises(InvalidModel, match=r"no module acme_pkg\.inner\.gone"):
        identity(folder, "acme_pkg.inner.gone:Notes")
    assert "acme_pkg" not in sys.modules


def test_an_installed_package_is_named_with_its_version(folder: Path) -> None:
    variant = adapter_variant(parse_adapter("xllamacpp:Server", None, folder), is_hashed=False)
    assert variant.source is not None
    assert variant.source.startswith("xllamacpp 20")


@pytest.mark.parametrize(
    ("reference", "kind", "told"),
    [
        ("notes.py", UnknownName, "unknown adapter"),
        ("notes.py:", BadInput, "no class"),
        ("notes.py:No-tes", BadInput, "no class"),
        ("no tes:Notes", BadInput, "no module"),
        ("gone.py:Notes", InvalidModel, "no such file"),
        ("no_such_entry", UnknownName, "unknown adapter 'no_such_entry'"),
    ],
)
def test_a_reference_that_names_nothing_is_told(folder: Path, reference: str, kind: type[BadInput], told: str) -> None:
    with pytest.raises(kind, match=told):
        parse_adapter(reference, None, folder)


def test_a_module_beside_which_one_stands_is_its_file(folder: Path) -> None:
    """`pseudo_adapter:CustomModelAdapter`, as it is imported, typed in the folder of pseudo_adapter.py."""
    assert parse_adapter("notes:Notes", None, folder).file == folder / "notes.py"


def test_an_adapter_file_is_read_strictly_and_its_places_count_from_it(folder: Path) -> None:
    path = folder / "mine.adapter.json"
    path.write_text('{"adapter": "notes.py:Notes", "weights": "weights"}')
    adapter = read_adapter(path)
    assert (adapter.file, adapter.weights) == (folder / "notes.py", folder / "weights")
    again = folder / "again" / "mine.adapter.json"
    write_adapter(again, adapter)
    assert read_adapter(again).weights == folder / "weights"
    found = refs.resolve(str(path))
    assert (found.label, found.variant.format, found.path) == ("mine", "adapter", path)
    wrong = ({"weight": "x"}, {"version": 2}, {"weights": "gone"}, {"adapter": 3})
    for content in ("{}", "[]", "not json", *(json.dumps({"adapter": "notes.py:Notes", **one}) for one in wrong)):
        path.write_text(content)
        with pytest.raises(InvalidModel):
            read_adapter(path)


def test_only_the_users_own_home_may_lead_to_code(folder: Path) -> None:
    """A folder may have been downloaded, with a models.json, an adapter file and a shortlist.toml in it."""
    (folder / "x.adapter.json").write_text('{"adapter": "notes.py:Notes"}')
    place = str(folder / "x.adapter.json")
    assert is_adapter(place)
    assert is_adapter(place.upper())
    for entry in ({"source": place}, {"source": place.upper()}, {"card": {"extra": {"source": place}}}):
        (folder / "models.json").write_text(json.dumps({"notes-small": entry}))
        library = load_library(None, folder)
        assert library.cards["notes-small"].extra.get("source") is None
        assert "which is code" in library.notes[0]
        with pytest.raises(InvalidFile, match="which is code"):
            overlay({}, load_listing(folder / "models.json"), "models.json")
        with pytest.raises(InvalidFile, match="which is code"):
            load_library(folder, None, is_home_trusted=False)
        assert load_library(folder, None).cards["notes-small"].extra["source"]


def test_what_was_added_is_verified_listed_and_forgotten(folder: Path) -> None:
    home = folder / "home"
    adapter = parse_adapter("notes.py:Notes", "weights", folder)
    added = register_adapter(home, "mine", adapter, "now", {"licence": "MIT"})
    assert load_added(home)["mine"] == added
    assert {checked.state for checked in verify_added(added)} == {"good"}
    assert len(list(verify_added(added))) == 3
    found = refs.resolve("mine", load_library(home))
    assert (found.label, found.path) == ("mine", adapter_place(home, "mine"))
    assert found.card is not None
    assert found.card.licence == "MIT"
    (folder / "notes.py").write_text("changed")
    assert [c.path.name for c in verify_added(added) if c.state == "broken"] == ["notes.py"]
    unregister(home, "mine")
    assert not adapter_place(home, "mine").exists()
    assert (folder / "notes.py").exists()


def installed(folder: Path, version: str = "1.2") -> Path:
    """A package with an entry point, as pip leaves it."""
    site = folder / f"site-{version}"
    info = site / f"acme_notes-{version}.dist-info"
    info.mkdir(parents=True)
    (site / "acme_notes.py").write_text(CODE)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: acme-notes\nVersion: {version}\n")
    (info / "entry_points.txt").write_text("[shortlist.adapters]\nacme-notes = acme_notes:Notes\n")
    (info / "top_level.txt").write_text("acme_notes\n")
    (info / "RECORD").write_text("acme_notes.py,,\n")
    return site


def test_an_entry_point_is_found_by_name_and_its_distributions_version_is_part_of_the_id(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = []
    for version in ("1.2", "1.3"):
        with monkeypatch.context() as patch:
            patch.syspath_prepend(str(installed(folder, version)))
            adapter = parse_adapter("acme-notes", None, folder)
            assert (adapter.module, adapter.name, adapter.file) == ("acme_notes", "Notes", None)
            assert adapter_variant(adapter).source == f"acme-notes {version}"
            ids.append(identity(folder, "acme-notes", None))
    assert len(set(ids)) == 2
