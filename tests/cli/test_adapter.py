"""A Python class from the command line: added, listed, asked, benched beside a GGUF model, chosen, forgotten."""

import json
import re
import shutil
from pathlib import Path

import pytest

from cli.commands import Done, shortlist
from shortlist import demo

DOCS = Path(__file__).parents[2] / "docs" / "adapters.md"
NOTE = "Hello everyone. Mbali has to delete the lighthouse webinar. It is needed by 18 June."


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The example of the docs, and a few of the demo's prompts."""
    text = DOCS.read_text()
    for name, language in (("notes_extractor.py", "python"), ("cues.json", "json")):
        found = re.search(rf"```{language}\n(.*?)```", text, re.DOTALL)
        assert found is not None
        (tmp_path / name).write_text(found[1])
    prompts = json.loads(Path(demo.__file__).with_name("prompts.json").read_text())
    prompts["prompts"] = prompts["prompts"][21:24]
    (tmp_path / "prompts.json").write_text(json.dumps(prompts))
    return tmp_path


def run(folder: Path, *args: object, stdin: str = "") -> Done:
    return shortlist(*args, cwd=folder, stdin=stdin, SHORTLIST_HOME=str(folder / "home"))


@pytest.mark.engine
def test_a_class_is_a_model_like_any_other(folder: Path) -> None:
    added = run(
        folder, "model", "add", "extractor", "cues.json", "--adapter", "notes_extractor:Extractor", "--licence", "MIT"
    )
    assert added.code == 0, added.err
    listed = run(folder, "model", "list", "--filter", "alias=extractor", "--json").json["data"]
    (row,) = listed
    assert (row["name"], row["format"], row["licence"], row["is_cached"]) == ("extractor", "adapter", "MIT", True)
    assert row["size_bytes"] == sum((folder / name).stat().st_size for name in ("notes_extractor.py", "cues.json"))

    asked = run(folder, "model", "run", "extractor", "--prompt", f"Summarise.\n{NOTE}")
    assert asked.code == 0, asked.err
    assert asked.out == "Decision: delete the lighthouse webinar. Owner: Mbali. Deadline: 18 June. \n"
    told = run(folder, "doctor", "extractor", "--no-network").out
    assert "extractor: loaded in" in told

    # A models.json may name it; the decision is made between it and a model of another kind.
    (folder / "models.json").write_text(json.dumps({"rules": {"source": "extractor"}, "notes-small": {}}))
    common = (
        "--prompts",
        "prompts.json",
        "--models",
        "models.json",
        "--rounds",
        1,
        "--max-tokens",
        40,
        "--name",
        "both",
    )
    benched = run(folder, "bench", *common, "--need", "facets>=0.5", "--prefer", "facets", "--json")
    assert benched.code == 0, benched.err
    candidates = {one["label"]: one for one in benched.json["data"]["candidates"]}
    assert candidates["rules"]["status"] == candidates["notes-small"]["status"] == "ok"
    export = run(folder, "runs", "export", "both").json
    (mine,) = [one for one in export["candidates"] if one["label"] == "rules"]
    assert (mine["engine"], mine["variant"]["format"]) == ("adapter", "adapter")
    assert str(folder) not in json.dumps(mine["variant"])
    (answer, *_) = [s["text"] for s in export["samples"] if s["is_accepted"] and s["usage"]]
    assert answer
    assert run(folder, "choose", "both", "--prefer", "facets").code in (0, 4)

    # Its code is part of what was measured.
    code = folder / "notes_extractor.py"
    code.write_text(code.read_text() + "\n# changed\n")
    refused = run(folder, "bench", "--resume", "both", "--rounds", 2)
    assert refused.code == 2
    assert "notes_extractor.py:Extractor has changed since the run began" in refused.err
    assert "notes_extractor.py" in run(folder, "cache", "verify", "extractor").out
    assert run(folder, "model", "remove", "extractor", "--yes").code == 0
    assert not list((folder / "home" / "adapters").iterdir())
    assert run(folder, "model", "run", "extractor", "--prompt", "x").code == 2


@pytest.mark.engine
def test_engines_compared_take_each_what_they_can_open(folder: Path) -> None:
    run(folder, "model", "add", "extractor", "cues.json", "--adapter", "notes_extractor.py:Extractor")
    planned = run(folder, "bench", "extractor", "notes-small", "--vs", "engine=llamacpp,adapter", "--plan", "--json")
    assert planned.code == 0, planned.err
    opened = {(one["model"], one["engine"]) for one in planned.json["data"]["candidates"]}
    assert opened == {("extractor", "adapter"), ("notes-small", "llamacpp")}
    assert "extractor is a Python class" in planned.err
    assert "notes-small is GGUF" in planned.err


def test_a_folder_that_was_downloaded_runs_no_code(folder: Path) -> None:
    (folder / "evil.py").write_text(
        "open('pwned', 'w')\nclass Evil:\n    def load(self, w): ...\n    generate = load\n"
    )
    (folder / "x.adapter.json").write_text('{"adapter": "evil.py:Evil"}')
    entry = {"notes-small": {"source": str(folder / "x.adapter.json")}}
    (folder / "models.json").write_text(json.dumps(entry))
    assert "passed over" in run(folder, "model", "list", "--filter", "alias=notes-small").err
    refused = run(folder, "bench", "--models", "models.json")
    assert (refused.code, "which is code" in refused.err) == (2, True)
    # Neither does a shortlist.toml that makes the folder a home.
    (folder / "shortlist.toml").write_text('home = "."\n')
    shutil.rmtree(folder / "home", ignore_errors=True)
    done = shortlist("model", "run", "notes-small", "--prompt", "x", cwd=folder, SHORTLIST_HOME="")
    assert (done.code, "which is code" in done.err) == (2, True)
    assert not (folder / "pwned").exists()


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("x",), "no file or folder is named"),
        (("x", "cues.json", "--adapter", "gone.py:X"), "no such file"),
        (("x", "gone.json", "--adapter", "notes_extractor.py:Extractor"), "no such weights"),
        (("x", "cues.json", "--adapter", "notes_extractor.py:Extractor", "--copy"), "--copy"),
        (("notes-small", "cues.json", "--adapter", "notes_extractor.py:Extractor"), "choose another name"),
    ],
)
def test_what_cannot_be_added_is_told(folder: Path, args: tuple[str, ...], told: str) -> None:
    done = run(folder, "model", "add", *args)
    assert done.code == 2
    assert told in done.err
