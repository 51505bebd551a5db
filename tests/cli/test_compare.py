"""`shortlist compare` from outside: what it prints and writes, which files it reads, and how it exits."""

import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest

from cli.commands import Done, shortlist
from results.two_runs import Change, base_run, head_run
from shortlist.results.export import export_run
from shortlist.results.store import Store


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("home")
    with Store.open(path / "results.db") as store:
        store.add_run(base_run())
        store.add_run(head_run(Change(slower={"small": 1.08}, forgotten={"large": 0.3})))
    return path


def compare(home: Path, *args: object, cwd: Path | None = None) -> Done:
    return shortlist("compare", *args, cwd=cwd or home, SHORTLIST_HOME=str(home))


def test_the_sentence_comes_first_and_the_gate_is_exit_3(home: Path, tmp_path: Path) -> None:
    done = compare(
        home, "main", "last", "--gate", "--ascii", "--markdown", tmp_path / "pr.md", "--junit", tmp_path / "j.xml"
    )
    assert done.code == 3, done.err
    assert done.out.startswith("small is slower: latency +8.0 % (")
    assert "gate FAILS" in done.out
    assert done.out.isascii()
    assert (tmp_path / "pr.md").read_text().startswith("### small is slower: ")
    assert ET.parse(tmp_path / "j.xml").getroot().get("failures") == "4"


def test_without_a_gate_a_regression_is_told_and_exits_0(home: Path) -> None:
    done = compare(home, "00007f3c", "head@91ab", "--json", "--candidate", "small", "--metrics", "latency,errors")
    assert done.code == 0, done.err
    data = done.json["data"]
    assert done.json["schema"] == "shortlist-compare"
    assert data["gate"] is None
    (candidate,) = data["comparison"]["candidates"]
    assert [(one["metric"], one["verdict"]) for one in candidate["metrics"]] == [("latency", "worse"), ("errors", None)]


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (("--candidate", "tiny", "--gate", "--strict"), 0),
        (("--candidate", "small", "--gate", "--margin", "latency=10%", "--metrics", "latency"), 0),
        (("--candidate", "small", "--gate", "--metrics", "errors"), 4),
    ],
)
def test_exit_codes_follow_the_gate(home: Path, args: tuple[str, ...], code: int) -> None:
    done = compare(home, "main", "head", *args)
    assert done.code == code, done.out


def test_exported_files_are_compared_as_stored_runs_are(home: Path, tmp_path: Path) -> None:
    for run, name in ((base_run(), "a.json"), (head_run(), "b.json")):
        (tmp_path / name).write_bytes(export_run(run))
    other = tmp_path / "empty"
    done = shortlist("compare", "a.json", "b.json", "--gate", cwd=tmp_path, SHORTLIST_HOME=str(other))
    assert (done.code, done.out.split("  ")[0]) == (0, "Equivalent in all that was compared."), done.err


@pytest.mark.slow
def test_runs_that_cannot_be_compared_are_refused_with_what_to_type(home: Path, tmp_path: Path) -> None:
    run = head_run()
    executor = base_run().executors[0]
    elsewhere = replace(run, executors=tuple(replace(executor, id=one.id, fingerprint="beef") for one in run.executors))
    (tmp_path / "b.json").write_bytes(export_run(elsewhere))
    refused = compare(home, "main", tmp_path / "b.json")
    assert (refused.code, refused.out) == (2, "")
    assert "hardware: host: f00d in BASE, beef in HEAD" in refused.err
    assert "--allow hardware" in refused.err
    allowed = compare(home, "main", tmp_path / "b.json", "--allow", "hardware")
    assert allowed.code == 0
    assert "not the same, and compared by --allow" in allowed.out


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("main", "haed"), "did you mean head"),
        (("main", "none.json"), "cannot be read"),
        (("main", "head", "--margin", "latency=much"), "is not a margin"),
        (("main", "head", "--margin", "latency=-5%"), "zero or more"),
        (("main", "head", "--markdown", "no/such/folder/pr.md"), "cannot be written"),
    ],
)
def test_what_was_typed_wrong_is_exit_2_with_a_hint(home: Path, args: tuple[str, ...], said: str) -> None:
    done = compare(home, *args)
    assert (done.code, done.out) == (2, "")
    assert said in done.err


@pytest.mark.slow
def test_answers_that_got_worse_are_shown_side_by_side(home: Path) -> None:
    def show(*args: str) -> Done:
        return shortlist("runs", "show", "head", "--worse-than", *args, cwd=home, SHORTLIST_HOME=str(home))

    done = show("main")
    assert done.code == 0, done.err
    assert done.out.startswith("10 answers got worse.\n\nlarge, n-")
    assert "lost: " in done.out
    assert done.out.count("\nBASE    Decision on n-") == done.out.count("\nHEAD    Decision on n-") == 10
    assert len(show("main", "--json").json["data"]) == 10


@pytest.mark.slow
def test_what_guidellm_wrote_is_imported_reported_and_compared(home: Path, tmp_path: Path) -> None:
    files = Path(__file__).parents[1] / "results" / "guidellm"
    own = str(tmp_path / "other")
    done = shortlist("runs", "import", files / "rounds.json", "--name", "before", cwd=tmp_path, SHORTLIST_HOME=own)
    assert done.code == 0, done.err
    report = shortlist("report", "before", "--format", "md,html", cwd=tmp_path, SHORTLIST_HOME=own)
    assert report.code == 0, report.err
    (page,) = tmp_path.glob("shortlist-*/report.md")
    assert "measured by GuideLLM 0.8.1" in page.read_text()
    compared = shortlist("compare", "before", files / "rounds-again.json", cwd=tmp_path, SHORTLIST_HOME=own)
    assert compared.code == 0, compared.err
    assert compared.out.startswith("No difference was told apart: of 3 metrics 3 not told apart.")
    several = shortlist("compare", "before", files / "sweep.json", cwd=tmp_path, SHORTLIST_HOME=own)
    assert (several.code, "holds 2 runs" in several.err) == (2, True)
