"""Load shapes and deterministic mode from outside: what is refused by name, what is printed, what is written."""

import json
from pathlib import Path

import pytest

from cli.commands import shortlist
from shortlist.cli import command
from shortlist.errors import BadInput


@pytest.fixture
def plain_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder and a home with nothing in them: what is refused before anything runs needs no process of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SHORTLIST_HOME", str(tmp_path))


FAST = ("bench", "ttft=3ms,gap=1ms,chunks=3", "--engine", "fake", "--warmup", "0")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--rate", "2", "--concurrency", "4"), "--concurrency and --rate contradict each other"),
        (("--arrivals", "poisson"), "--arrivals is for an open loop"),
        (("--slots", "8"), "--slots is for an open loop"),
        (("--rate", "2", "--arrivals", "bursty"), "bursty"),
        (("--rate", "0"), "--rate: 0.0 is not a number from 0.001"),
        (("--goodput", "p95<1s"), "unknown figure of goodput"),
        (("--goodput", "ttft<1s", "--no-stream"), "no first token"),
        (("--need", "goodput>2"), "no limits to go by"),
        (
            ("--deterministic", "--temperature", "0.7"),
            "--deterministic means temperature 0, and --temperature says 0.7",
        ),
        (("--deterministic", "--concurrency", "2"), "--deterministic means concurrency 1"),
        (("--deterministic", "--rate", "2"), "--deterministic means no --rate"),
        (("--deterministic", "--rounds", "1"), "--deterministic compares rounds"),
        (("--deterministic", "--prefix-cache"), "--prefix-cache would switch it on"),
    ],
)
def test_what_contradicts_itself_is_refused_by_name(plain_place: None, args: tuple[str, ...], said: str) -> None:
    with pytest.raises(BadInput) as refused:
        command.main([*FAST, *args], standalone_mode=False)
    assert said in refused.value.message or said in (refused.value.hint or "")


def test_a_variable_that_contradicts_deterministic_is_refused_by_its_name(
    plain_place: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_TEMPERATURE", "0.7")
    with pytest.raises(BadInput, match=r"BENCH_TEMPERATURE says 0\.7"):
        command.main([*FAST, "--deterministic"], standalone_mode=False)
    assert command.main([*FAST, "--deterministic", "--temperature", "0", "--plan"], standalone_mode=False) == 0


def test_a_typed_load_wins_over_one_in_the_environment(tmp_path: Path) -> None:
    typed = shortlist(*FAST, "--concurrency", 2, "--plan", "--json", cwd=tmp_path, SHORTLIST_RATE="5")
    assert typed.json["data"]["suite"]["load"]["kind"] == "closed"
    assert "is left aside" in typed.err
    rate = shortlist(*FAST, "--rate", 3, "--plan", "--json", cwd=tmp_path, SHORTLIST_CONCURRENCY="5")
    assert rate.json["data"]["suite"]["load"] == {
        "kind": "open",
        "concurrency": 4,
        "rate_per_s": 3.0,
        "arrivals": "poisson",
    }


def test_an_open_loop_with_goodput_and_a_need_on_it_is_decided(tmp_path: Path) -> None:
    args = ("--rate", 100, "--arrivals", "constant", "--repeats", 10, "--rounds", 2)
    done = shortlist(*FAST, *args, "--goodput", "latency<2s", "--need", "goodput>50", cwd=tmp_path)
    assert done.code == 0, done.err
    assert "Load    100 requests/s, constant arrivals, open loop; 4 slots in each engine" in done.err
    assert done.out.startswith("Ship ttft=3ms,gap=1ms,chunks=3.")
    assert "goodput: requests/s with latency<2s" in done.out
    (report,) = tmp_path.glob("shortlist-*/report.json")
    figures = json.loads(report.read_text())["data"]["candidates"][0]["figures"]
    assert figures["goodput.share"]["point"] == 1.0
    assert {"reached.rate", "reached.completed", "backlog", "late.p99"} <= figures.keys()


def test_limits_can_be_asked_afterwards(tmp_path: Path) -> None:
    assert shortlist(*FAST, "--repeats", 10, "--rounds", 1, "--name", "x", cwd=tmp_path).code == 0
    written = shortlist("report", "x", "--goodput", "latency<2s", "--format", "json", "--out", "o", cwd=tmp_path)
    assert written.code == 0, written.err
    data = json.loads((tmp_path / "o/report.json").read_text())["data"]
    assert data["goodput"] == ["latency<2s"]
    assert data["candidates"][0]["figures"]["goodput.share"]["point"] == 1.0
    refused = shortlist("report", "x", "--goodput", "nonsense", cwd=tmp_path)
    assert refused.code == 2


def test_a_deterministic_run_reports_what_repeated(tmp_path: Path) -> None:
    done = shortlist(*FAST, "--deterministic", "--rounds", 2, "--name", "d", cwd=tmp_path)
    assert done.code == 0, done.err
    assert "Pinned  " in done.err
    assert "4 of 4 prompts had the same answer" in " ".join(done.out.split())
    data = shortlist("runs", "show", "d", "--json", cwd=tmp_path).json["data"]
    assert "deterministic" in data["flags"]
    assert {"prompts", "generation", "load", "candidates", "host", "versions", "all"} == data["pins"].keys()
    assert [one["identical"] for one in data["repeatability"]] == [4]
    (folder,) = tmp_path.glob("shortlist-*")
    assert "## Repeatability" in (folder / "report.md").read_text()
    assert 'id="repeatability"' in (folder / "report.html").read_text()


@pytest.mark.engine
def test_two_deterministic_runs_of_a_real_engine_export_the_same_golden_file(tmp_path: Path) -> None:
    exports = []
    for name in ("one", "two"):
        args = ("notes-small", "--deterministic", "--rounds", 2, "--threads", 1, "--max-tokens", 24, "--name", name)
        done = shortlist("bench", *args, cwd=tmp_path)
        assert done.code == 0, done.err
        assert "4 of 4 prompts had the same answer" in " ".join(done.out.split())
        exports.append(shortlist("runs", "export", name, "--golden", cwd=tmp_path).out)
    pins = [shortlist("runs", "show", name, "--json", cwd=tmp_path).json["data"]["pins"] for name in ("one", "two")]
    assert pins[0] == pins[1]
    assert exports[0] == exports[1]
    assert json.loads(exports[0])["suite"]["generation"]["temperature"] == 0
