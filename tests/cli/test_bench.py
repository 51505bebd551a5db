"""`shortlist bench` and `runs` from outside: what is printed, what is left behind, which exit code."""

import json
import os
import re
import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from cli.commands import argv, environment, shortlist
from gguf_files import BROKEN, llama_bytes
from shortlist.results.store import Store

QUICK = ("--engine", "fake", "--warmup", "0")
A, B = "ttft=3ms,gap=1ms,chunks=4", "ttft=9ms,gap=1ms,chunks=4"
"""Two fake models."""


def test_a_bench_prints_a_table_writes_a_report_and_is_listed(tmp_path: Path) -> None:
    done = shortlist("bench", A, B, *QUICK, "--rounds", 2, "--name", "first", cwd=tmp_path)
    assert done.code == 0, done.err
    assert "2 candidates × 4 prompts × 2 rounds = 16 requests" in done.err
    assert max(map(len, done.out.splitlines())) <= 80
    (folder,) = tmp_path.glob("shortlist-*")
    assert {p.name for p in folder.iterdir()} == {"report.html", "report.md", "report.csv", "report.json", "figures"}
    header = (folder / "report.csv").read_text().splitlines()[0]
    assert header.startswith("model,rounds,latency_avg,latency_p95,tokens_per_sec_avg,sample,status")
    listed = shortlist("runs", "list", "--json", cwd=tmp_path).json
    assert [run["id"][-8:] for run in listed["data"]] == [folder.name.removeprefix("shortlist-")]
    shown = shortlist("runs", "show", "first", "--json", cwd=tmp_path).json
    assert [c["status"] for c in shown["data"]["candidates"]] == ["ok", "ok"]


def test_json_is_one_envelope_on_stdout_and_everything_else_is_on_stderr(tmp_path: Path) -> None:
    done = shortlist("bench", A, *QUICK, "--rounds", 1, "--json", cwd=tmp_path)
    assert set(done.json) == {"schema", "version", "data", "warnings"}
    assert "Plan" in done.err


def test_plan_shows_the_blocks_and_runs_nothing(tmp_path: Path) -> None:
    done = shortlist("bench", A, B, *QUICK, "--rounds", 2, "--plan", cwd=tmp_path)
    assert done.code == 0
    assert len(done.out.splitlines()) == 4
    assert shortlist("runs", "list", "--json", cwd=tmp_path).json["data"] == []


def test_the_workshops_variables_lead_a_bench(tmp_path: Path) -> None:
    env = {"BENCH_MODELS": "ttft=3ms,x", "BENCH_ROUNDS": "1", "BENCH_PROMPT": "Why?", "BENCH_STREAM": "0"}
    done = shortlist("bench", *QUICK, "--json", cwd=tmp_path, BENCH_MAX_TOKENS="7", BENCH_TEMPERATURE="0.5", **env)
    assert done.code == 0, done.err
    data = done.json["data"]
    assert [c["label"] for c in data["candidates"]] == ["ttft=3ms", "x"]
    assert (data["rounds"], len(data["prompts"])) == (1, 1)
    assert data["generation"] == {"max_tokens": 7, "temperature": 0.5, "seed": 0, "stream": False, "fixed_tokens": None}


@pytest.mark.slow
def test_a_models_file_with_prompts_is_enough(tmp_path: Path) -> None:
    models = {"version": 1, "models": {"ttft=3ms": {"capabilities": ["chat"]}}, "prompts": ["Why?", "How?"]}
    (tmp_path / "models.json").write_text(json.dumps(models))
    done = shortlist("bench", "--models", "models.json", *QUICK, "--rounds", 1, "--json", cwd=tmp_path)
    assert done.code == 0, done.err
    assert len(done.json["data"]["prompts"]) == 2


def test_an_alias_without_a_source_is_skipped_with_its_reason_and_the_others_run(tmp_path: Path) -> None:
    (tmp_path / "models.json").write_text(
        json.dumps({"ours-7b": {"size_mb": 4100}, "mistral-7b": {}, "notes-small": {}})
    )
    done = shortlist("bench", "--models", "models.json", "--plan", cwd=tmp_path, HF_HOME=str(tmp_path))
    assert done.code == 0, done.err
    assert "ours-7b is skipped: ours-7b has no source" in done.err
    assert "mistral-7b is skipped: mistral-7b is known, and its files are not here" in done.err


@pytest.mark.parametrize("name", sorted(BROKEN)[::6])
def test_a_broken_model_file_is_one_clear_error(tmp_path: Path, name: str) -> None:
    make, message = BROKEN[name]
    (tmp_path / "x.gguf").write_bytes(make())
    done = shortlist("bench", "x.gguf", cwd=tmp_path)
    assert done.code == 2
    assert done.err.startswith("error: ")
    assert message in done.err
    assert "x.gguf" in done.err


def test_a_broken_model_beside_a_good_one_is_marked_and_the_good_one_runs(tmp_path: Path) -> None:
    (tmp_path / "cut.gguf").write_bytes(llama_bytes()[:-40])
    done = shortlist("bench", "notes-small", "cut.gguf", "--plan", cwd=tmp_path)
    assert done.code == 0
    assert "cut is failed:" in done.err


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["notes-smal"], "did you mean notes-small"),
        (["gone.gguf"], "gone.gguf"),
        ([], "no model is named"),
        ([A, "--engine", "fakes"], "did you mean fake"),
        ([A, *QUICK, "--prompts", "none.json"], "none.json"),
        ([A, *QUICK, "--rounds", "0"], "--rounds"),
        ([A, *QUICK, "--timeout", "soon"], "--timeout"),
        ([A, *QUICK, "--header", "nonsense"], "is not a header"),
        (["--resume", "last", "--fixed-tokens", "3"], "fixed_tokens"),
        (["--resume", "last", "--temperature", "1"], "temperature"),
        (["--resume", "abcd"], "unknown run"),
        (["x", "--endpoint", "localhost:1"], "is not a URL"),
        (["x", "--endpoint", "http://me:secret@localhost:1/v1"], "no user name"),
        (["x", "--endpoint", "http://localhost:1/v1?api-key=secret"], "no user name"),
        (["x", "--endpoint", "http://localhost:1/v1", "--prefix-cache"], "--prefix-cache"),
        ([A, *QUICK, "--timeout", "0"], "leaves no time"),
    ],
)
def test_what_is_wrong_is_one_clear_error_with_exit_code_2(tmp_path: Path, args: list[str], told: str) -> None:
    done = shortlist("bench", *args, cwd=tmp_path)
    assert done.code == 2
    assert done.err.splitlines()[0].startswith("error: ")
    assert told in done.err


def test_an_endpoint_that_refuses_fails_its_candidate_and_nothing_finished_is_exit_1(tmp_path: Path) -> None:
    done = shortlist("bench", "m", "--endpoint", "http://127.0.0.1:9/v1", "--rounds", 1, cwd=tmp_path)
    assert done.code == 1
    assert "failed" in done.out
    assert "127.0.0.1" in done.out + done.err


def test_a_model_that_cannot_be_asked_is_marked_and_the_others_are_measured(tmp_path: Path) -> None:
    small = ("--context", 2048, "--rounds", 1, "--threads", 1, "--json")
    done = shortlist("bench", "notes-small", "notes-medium", *small, cwd=tmp_path)
    assert done.code == 1  # both were trained for 1024 tokens
    reasons = [one["reason"] for one in done.json["data"]["candidates"]]
    assert all("a context of 2048 was asked" in reason for reason in reasons)
    assert "notes-medium" in done.err


def test_a_bench_in_which_nothing_was_measured_in_time_is_exit_1(tmp_path: Path) -> None:
    done = shortlist("bench", A, *QUICK, "--rounds", 2, "--budget", "0s", cwd=tmp_path)
    assert done.code == 1
    assert "not even one round" in done.err
    assert "budget is used up" in done.out


def test_more_requests_at_once_than_prompts_are_told_and_cut(tmp_path: Path) -> None:
    done = shortlist("bench", A, *QUICK, "--rounds", 1, "--concurrency", 16, "--json", cwd=tmp_path)
    assert "4 requests at once instead of 16" in done.err
    assert done.json["data"]["load"]["concurrency"] == 4


@pytest.mark.slow
def test_a_measured_run_that_lost_its_process_at_the_very_end_becomes_done(tmp_path: Path) -> None:
    assert shortlist("bench", A, *QUICK, "--rounds", 1, cwd=tmp_path).code == 0
    home = Path(os.environ["SHORTLIST_HOME"])
    with Store.open(home / "results.db") as store:
        store.set_state(store.resolve("last"), "running")
    done = shortlist("bench", "--resume", "last", cwd=tmp_path)
    assert done.code == 0
    assert shortlist("runs", "list", "--json", cwd=tmp_path).json["data"][0]["state"] == "done"


@pytest.mark.slow
def test_strict_is_exit_3_when_a_candidate_failed_and_0_without(tmp_path: Path) -> None:
    args = ("bench", A, "fail=start", *QUICK, "--rounds", 1)
    assert shortlist(*args, cwd=tmp_path).code == 0
    assert shortlist(*args, "--strict", cwd=tmp_path).code == 3


def test_a_budget_cuts_rounds_before_the_start_and_says_so(tmp_path: Path) -> None:
    done = shortlist("bench", A, *QUICK, "--rounds", 500, "--budget", "3s", cwd=tmp_path)
    assert done.code == 0
    assert "rounds fit into 3s" in done.err


@pytest.mark.slow
def test_two_repeatable_runs_have_one_golden_export_and_a_run_survives_export_and_import(tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert shortlist("bench", A, *QUICK, "--rounds", 2, "--name", name, cwd=tmp_path).code == 0
    golden = [shortlist("runs", "export", name, "--golden", cwd=tmp_path).out for name in ("one", "two")]
    assert golden[0] == golden[1]
    assert not re.search(r'"(due|sent|end|load|started|headers)_(ns|at)"|"block"|"executor"', golden[0])
    whole = shortlist("runs", "export", "one", cwd=tmp_path).out
    assert json.loads(whole)["schema"] == "shortlist-run"
    assert shortlist("runs", "remove", "one", "--yes", cwd=tmp_path).code == 0
    assert shortlist("runs", "import", "-", cwd=tmp_path, stdin=whole).code == 0
    assert shortlist("runs", "export", "one", cwd=tmp_path).out == whole
    again = shortlist("runs", "import", "-", cwd=tmp_path, stdin=whole)
    assert again.code == 2
    assert "here already" in again.err
    broken = shortlist("runs", "import", "-", cwd=tmp_path, stdin=whole[:-100])
    assert broken.code == 2


@pytest.mark.slow
def test_plain_ascii_comes_from_the_flag_and_from_a_locale_that_has_no_more(tmp_path: Path) -> None:
    by_flag = shortlist("bench", A, *QUICK, "--rounds", 2, "--ascii", cwd=tmp_path)
    assert by_flag.out.isascii()
    by_locale = shortlist("runs", "show", cwd=tmp_path, PYTHONIOENCODING="ascii")
    assert by_locale.out.isascii()
    assert by_locale.out


def start(tmp_path: Path, *args: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        argv("bench", *args), cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_keeps_samples_ends_children_and_prints_how_to_go_on(tmp_path: Path, sent: signal.Signals) -> None:
    process = start(tmp_path, A, "ttft=200ms,gap=1ms,chunks=4", *QUICK, "--rounds", 6)
    assert process.stderr is not None
    lines: list[str] = []
    while not any("round 1" in line for line in lines):
        lines.append(process.stderr.readline())
        assert lines[-1], "".join(lines)
    kids = psutil.Process(process.pid).children(recursive=True)
    os.kill(process.pid, sent)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert "every finished request is kept" in err
    psutil.wait_procs(kids, timeout=10)
    assert not any(kid.is_running() and kid.status() != psutil.STATUS_ZOMBIE for kid in kids)
    short = err.rpartition("--resume ")[2].strip()
    listed = shortlist("runs", "list", "--json", cwd=tmp_path).json["data"]
    assert (listed[0]["id"][-8:], listed[0]["state"]) == (short, "interrupted")
    assert listed[0]["accepted"] >= 4


def test_a_second_bench_is_refused_and_names_the_first_ones_pid(tmp_path: Path) -> None:
    first = start(tmp_path, A, *QUICK, "--rounds", 200)
    assert first.stderr is not None
    while "round" not in first.stderr.readline().partition("Plan")[0]:
        pass
    second = shortlist("bench", A, *QUICK, "--rounds", 1, cwd=tmp_path)
    first.terminate()
    first.communicate(timeout=30)
    assert second.code == 1
    assert str(first.pid) in second.err


def test_colour_is_never_in_a_pipe(tmp_path: Path) -> None:
    done = shortlist("bench", A, *QUICK, "--rounds", 1, cwd=tmp_path, NO_COLOR="")
    assert "\x1b" not in done.out + done.err
