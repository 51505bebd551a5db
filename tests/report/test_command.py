"""`shortlist report` as a user runs it: with the decision that was made, and what is wrong said clearly."""

import os
from pathlib import Path

import pytest

from cli.commands import shortlist
from results.made_run import make_run
from shortlist.choose.decide import decide_run
from shortlist.choose.needs import parse_needs
from shortlist.choose.needsfile import Needs
from shortlist.report.files import write_report
from shortlist.results.export import export_run
from shortlist.results.series import series
from shortlist.results.summary import summarise


def home_with_run(tmp_path: Path) -> dict[str, str]:
    """A home that holds the made run, imported as a user would."""
    (tmp_path / "run.json").write_bytes(export_run(make_run()))
    env = {"SHORTLIST_HOME": os.fspath(tmp_path / "home")}
    done = shortlist("runs", "import", "run.json", cwd=tmp_path, **env)
    assert done.code == 0, done.err
    return env


@pytest.mark.slow
def test_a_run_that_was_decided_is_reported_with_its_decision(tmp_path: Path) -> None:
    env = home_with_run(tmp_path)
    before = shortlist("report", "last", "--out", "before", cwd=tmp_path, **env)
    assert before.code == 0, before.err
    assert "nothing was decided" in (tmp_path / "before" / "report.html").read_text(encoding="utf-8")
    chosen = shortlist("choose", "last", "--need", "latency<300ms", cwd=tmp_path, **env)
    assert chosen.code in (0, 3, 4), chosen.err
    after = shortlist("report", "last", "--out", "after", cwd=tmp_path, **env)
    assert after.code == 0, after.err
    page = (tmp_path / "after" / "report.html").read_text(encoding="utf-8")
    assert "latency &lt; 300 ms" in page
    assert (tmp_path / "after" / "figures" / "need-1-latency-mean.svg").is_file()
    lost = shortlist("report", "last", "--choice", "ffff", cwd=tmp_path, **env)
    assert lost.code == 2
    assert "unknown choice 'ffff'" in lost.err


def test_a_format_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    done = shortlist("report", "last", "--format", "html,docx", cwd=tmp_path, SHORTLIST_HOME=os.fspath(tmp_path))
    assert done.code == 2
    assert "docx" in done.err


def test_a_decision_of_the_rule_itself_is_drawn(tmp_path: Path) -> None:
    run = make_run()
    decision = decide_run(run, Needs(parse_needs(["latency<300ms", "memory<50MB", "licence=commercial"])))
    summary = summarise(run)
    paths = write_report(summary, tmp_path, decision=decision, series=series(run))
    names = {path.name for path in paths}
    assert {"report.html", "need-1-latency-mean.svg", "need-2-memory-peak.svg", "what-if.svg"} <= names
