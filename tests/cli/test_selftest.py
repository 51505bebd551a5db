"""`shortlist selftest` as a user runs it: a real server, the real client, a table that fits a terminal."""

import csv
import io
import json
from pathlib import Path

import pytest

from cli.commands import shortlist
from shortlist.machine import fingerprint, host_facts
from shortlist.results.between_runs import between_runs, load_spreads


def test_it_prints_bias_spread_and_tail_for_every_number_of_streams(tmp_path: Path) -> None:
    done = shortlist("selftest", "--streams", "1,3", "--duration", "200ms", cwd=tmp_path)
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[1].split() == ["streams", "n", *["bias", "sd", "99", "%"] * 3, "99", "%"]
    assert [line.split()[0] for line in lines[2:4]] == ["1", "3"]
    assert all(len(line) <= 80 for line in lines)
    assert "at 3 streams (a known server," in done.out
    assert "3 streams, about" in done.err


def test_json_has_the_figures_and_what_a_bench_will_use(tmp_path: Path) -> None:
    told = shortlist("selftest", "--streams", "2", "--duration", "200ms", "--json", cwd=tmp_path).json
    assert (told["schema"], told["version"]) == ("shortlist-selftest", 1)
    (one,) = told["data"]
    assert one["streams"] == 2
    assert one["error_ns"] == max(one["ttft"]["p95_ns"], one["e2e"]["p95_ns"]) > 0
    assert one["stamps"] in ("kernel", "socket read")


@pytest.mark.parametrize(
    "args", [("--streams", "0"), ("--streams", "1,x"), ("--streams", "9999"), ("--duration", "0s"), ("--duration", "x")]
)
def test_nonsense_is_refused_with_what_to_type(tmp_path: Path, args: tuple[str, ...]) -> None:
    done = shortlist("selftest", *args, cwd=tmp_path)
    assert done.code == 2
    assert "error:" in done.err
    assert len(done.err.splitlines()) == 2


@pytest.mark.slow
def test_a_bench_says_how_far_its_numbers_may_be_off_in_every_report(tmp_path: Path) -> None:
    args = ("bench", "ttft=3ms,gap=1ms,chunks=4", "--engine", "fake", "--warmup", "0", "--rounds", 1)
    done = shortlist(*args, cwd=tmp_path, SHORTLIST_SELFTEST="1")
    assert done.code == 0, done.err
    (told,) = [line for line in done.err.splitlines() if line.startswith("Error   self-test: ±")]
    assert "at 1 stream (a known server, " in told
    assert told.index("±") < 80
    assert "Measuring error: ±" in done.out
    (folder,) = tmp_path.glob("shortlist-*")
    words = told.removeprefix("Error   self-test: ")
    assert words in (folder / "report.md").read_text().replace("\\", "")
    assert words in (folder / "report.html").read_text()
    error = json.loads((folder / "report.json").read_text())["data"]["measuring_error"]
    row = next(csv.DictReader(io.StringIO((folder / "report.csv").read_text())))
    measured = max(error["ttft"]["p95_ns"], error["e2e"]["p95_ns"])
    assert float(row["measuring_error_s"]) * 1e9 == pytest.approx(measured)
    golden = shortlist("runs", "export", "--golden", cwd=tmp_path).out
    assert "p95_ns" not in golden
    without = shortlist(*args, "--no-selftest", "--json", cwd=tmp_path, SHORTLIST_SELFTEST="1")
    assert without.json["data"]["measuring_error"] is None
    assert "no-selftest" in without.json["data"]["flags"]
    assert "Error   not known" in without.err
    resumed = shortlist("bench", "--resume", folder.name[-8:], "--rounds", 2, "--no-selftest", "--json", cwd=tmp_path)
    assert resumed.json["data"]["measuring_error"] is None, "a process without a self-test leaves the run's unknown"
    assert "no-selftest" in resumed.json["data"]["flags"]


# --- the same thing again and again ----------------------------------------------------------------------------------

FAKE = ("--engine", "fake", "--prompts", "prompts.json", "--runs", 3, "--rounds", 2)


@pytest.mark.slow
def test_runs_of_the_same_thing_give_this_hosts_spread_for_compare_and_leave_no_runs_behind(tmp_path: Path) -> None:
    (tmp_path / "prompts.json").write_text('["One.", "Two."]')
    home = tmp_path / "home"
    model = "ttft=3ms,gap=1ms,chunks=20"
    done = shortlist("selftest", "--aa", model, *FAKE, cwd=tmp_path, SHORTLIST_HOME=str(home))
    assert done.code == 0, done.err
    assert f"{model} with fake, 3 runs of 2 rounds each" in done.out
    assert all(len(line) <= 80 for line in done.out.splitlines())
    here = fingerprint(host_facts())
    (kept,) = load_spreads(home)
    assert (kept.fingerprint, kept.engine, kept.model, kept.streams) == (here, "fake", model, 1)
    assert {len(runs) for runs in kept.round_means.values()} == {3}
    assert {"latency.mean", "ttft.mean", "tokens_per_s", "throughput"} <= kept.round_means.keys()
    for figure in ("latency.mean", "throughput"):
        found = between_runs(home, here, figure, "fake")
        assert found is not None
        assert found.runs == 3
    assert between_runs(home, here, "latency.mean", "llamacpp") is None
    assert shortlist("runs", "list", "--json", cwd=tmp_path, SHORTLIST_HOME=str(home)).json["data"] == []


@pytest.mark.slow
def test_a_run_that_was_not_whole_gives_no_spread(tmp_path: Path) -> None:
    (tmp_path / "prompts.json").write_text('["One.", "Two."]')
    home = tmp_path / "home"
    done = shortlist("selftest", "--aa", "fail=error-event", *FAKE, cwd=tmp_path, SHORTLIST_HOME=str(home))
    assert done.code == 1
    assert "run 1 of the same thing is failed" in done.err
    assert load_spreads(home) == ()


def test_a_model_without_aa_is_refused(tmp_path: Path) -> None:
    assert shortlist("selftest", "notes-small", cwd=tmp_path).code == 2
    assert shortlist("selftest", "--aa", "--runs", 1, cwd=tmp_path).code == 2
