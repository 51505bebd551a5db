"""The docs: generated pages are fresh, everything a user can type is named, schemas accept what we accept."""

import json
import re
import subprocess
import sys
from importlib import import_module
from itertools import combinations
from pathlib import Path

import jsonschema
import pytest

from shortlist import settings
from shortlist.cli import COMMANDS
from shortlist.engines import _OURS
from shortlist.errors import ShortlistError
from shortlist.report.svg import Box

ROOT = Path(__file__).parents[1]
SCHEMAS = ROOT / "src" / "shortlist" / "schemas"


def kinds(kind: type[ShortlistError]) -> list[type[ShortlistError]]:
    mine = [child for child in kind.__subclasses__() if child.__module__ == "shortlist.errors"]
    return [kind, *(found for child in mine for found in kinds(child))]


def test_generated_pages_are_fresh() -> None:
    done = subprocess.run(
        [sys.executable, "tools/generate_docs.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_labels_of_the_measuring_pictures_keep_clear_of_each_other_and_of_the_edge(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    pictures = [draw() for draw in import_module("measuring_pictures").PICTURES]
    assert pictures
    for picture in pictures:
        inside = Box(0, 0, picture.width, picture.height)
        for (one, box), (other, taken) in combinations(picture.labels, 2):
            assert not box.overlaps(taken), (picture.name, one, other)
        for text, box in picture.labels:
            assert box.is_inside(inside), (picture.name, text)


def test_every_command_setting_and_error_is_named_in_the_docs() -> None:
    pages = {name: (ROOT / "docs" / name).read_text() for name in ("cli.md", "settings.md", "errors.md")}
    for name in COMMANDS:
        assert f"## `shortlist {name}`" in pages["cli.md"]
    for name in settings.NAMES:
        assert f"| `{name}` |" in pages["settings.md"]
    for kind in kinds(ShortlistError):
        assert f"`{kind.__name__}`" in pages["errors.md"]


def test_every_engine_of_ours_is_in_the_table_of_engines() -> None:
    page = (ROOT / "docs" / "engines.md").read_text()
    assert {name for name in _OURS if f"| `{name}` |" not in page} == set()


def test_the_readmes_commands_exist() -> None:
    text = (ROOT / "README.md").read_text()
    used = set(re.findall(r"shortlist ([a-z]+)", " ".join(re.findall(r"```[a-z]*\n(.*?)```", text, re.DOTALL))))
    assert used <= {*COMMANDS, "import"}
    targets = set(re.findall(r"\bmake ([a-z]+)\b", text))
    assert targets
    for target in targets:
        assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE), target


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("prompts", [["Why?"], {"template": "{note}", "prompts": [{"note": "x", "tags": ["a"]}, "plain"]}],
         [[], [3], {"prompt": []}, {"prompts": [{"note": 3}]}]),
        ("models", [{"a": {"size_mb": 3}}, {"version": 1, "models": {"a": {"source": "x.gguf"}}, "prompts": "p.json"}],
         [{"a": {"capability": []}}, {"models": {"a": {}}, "prompt": "x"}, []]),
        ("card", [{"alias": "a"}, {"alias": "a", "variants": [{"format": "gguf", "files": []}]}],
         [{}, {"alias": "a", "licens": "MIT"}, {"alias": "a", "variants": [{"format": "gguf", "size": 1}]}]),
        ("catalogue", [{"version": 1, "checked": "2026-11-26", "cards": [{"alias": "a"}]}],
         [{"version": 1, "cards": []}, {"version": 1, "checked": "x", "cards": [{"alias": "a", "licens": "MIT"}]}]),
        ("policy", [{}, {"classes": {"permissive": "allow"}, "models": {"x": "refuse"}}],
         [{"classes": {"permissiv": "allow"}}, {"classes": {"permissive": "perhaps"}}, {"class": {}}]),
    ],
)  # fmt: skip
def test_the_shipped_schemas_tell_good_from_bad(name: str, good: list[object], bad: list[object]) -> None:
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
    validator = jsonschema.Draft202012Validator(schema)
    for value in good:
        validator.validate(value)
    for value in bad:
        assert not validator.is_valid(value), value


def test_the_demos_prompts_fit_the_schema() -> None:
    schema = json.loads((SCHEMAS / "prompts.schema.json").read_text())
    jsonschema.validate(json.loads((ROOT / "src/shortlist/demo/prompts.json").read_text()), schema)
