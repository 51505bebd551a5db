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


FAST = ("bench", "ttft=3ms,gap=1ms,chunks=3", "--engine", "fake", "--warmup", "0", "--no-watch")


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
        (("--resident", "--deterministic"), "--deterministic starts engines afresh, and --resident keeps them"),
        (("--resident", "--endpoint", "http://127.0.0.1:9/v1"), "an endpoint decides what it keeps loaded"),
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_limits_can_be_asked_afterwards(tmp_path: Path) -> None:
    assert shortlist(*FAST, "--repeats", 10, "--rounds", 1, "--name", "x", cwd=tmp_path).code == 0
    written = shortlist("report", "x", "--goodput", "latency<2s", "--format", "json", "--out", "o", cwd=tmp_path)
    assert written.code == 0, written.err
    data = json.loads((tmp_path / "o/report.json").read_text())["data"]
    assert data["goodput"] == ["latency<2s"]
    assert data["candidates"][0]["figures"]["goodput.share"]["point"] == 1.0
    refused = shortlist("report", "x", "--goodput", "nonsense", cwd=tmp_path)
    assert refused.code == 2


@pytest.mark.slow
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
@pytest.mark.slow
def test_two_deterministic_runs_of_a_real_engine_export_the_same_golden_file(tmp_path: Path) -> None:
    exports = []
    for name in ("one", "two"):
        args = (
            "notes-small",
            "--deterministic",
            "--no-watch",
            "--rounds",
            2,
            "--threads",
            1,
            "--max-tokens",
            24,
            "--name",
            name,
        )
        done = shortlist("bench", *args, cwd=tmp_path)
        assert done.code == 0, done.err
        assert "4 of 4 prompts had the same answer" in " ".join(done.out.split())
        exports.append(shortlist("runs", "export", name, "--golden", cwd=tmp_path).out)
    pins = [shortlist("runs", "show", name, "--json", cwd=tmp_path).json["data"]["pins"] for name in ("one", "two")]
    assert pins[0] == pins[1]
    assert exports[0] == exports[1]
    assert json.loads(exports[0])["suite"]["generation"]["temperature"] == 0


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--sweep", "threads=1,2"), "unknown load to sweep 'threads'"),
        (("--sweep", "concurrency"), "'concurrency' is not a sweep"),
        (("--sweep", "concurrency=1"), "at least two values"),
        (("--sweep", "concurrency=1,x"), "'x' is not a whole number"),
        (("--sweep", "rate=1,1"), "at least two values, each once"),
        (("--sweep", "rate=1,2", "--rate", "3"), "--sweep rate=1,2 and --rate contradict each other"),
        (("--sweep", "concurrency=1,8"), "8 requests in flight, and a block has 4"),
        (("--sweep", "rate=1,2", "--deterministic"), "--deterministic means concurrency 1"),
    ],
)
def test_a_sweep_that_cannot_be_is_refused(plain_place: None, args: tuple[str, ...], said: str) -> None:
    with pytest.raises(BadInput) as refused:
        command.main([*FAST, *args], standalone_mode=False)
    assert said in refused.value.message


@pytest.mark.slow
def test_the_plan_of_a_sweep_is_one_document_and_names_each_value(tmp_path: Path) -> None:
    args = ("bench", "ttft=1ms,gap=1ms,chunks=4", "--engine", "fake", "--sweep", "concurrency=1,2", "--name", "load")
    shown = shortlist(*args, "--plan", "--json", cwd=tmp_path).json
    assert shown["schema"] == "shortlist-sweep-plan"
    assert [one["name"] for one in shown["data"]] == ["load/concurrency=1", "load/concurrency=2"]
    assert [one["plan"]["suite"]["load"]["concurrency"] for one in shown["data"]] == [1, 2]
    told = shortlist(*args, "--plan", cwd=tmp_path).out.splitlines()
    assert [line for line in told if not line.startswith("round")] == ["load/concurrency=1", "load/concurrency=2"]


@pytest.mark.slow
def test_a_sweep_ends_with_one_table_one_report_and_runs_of_their_own(tmp_path: Path) -> None:
    args = ("--sweep", "rate=50,100", "--arrivals", "constant", "--rounds", 2, "--repeats", 4, "--name", "load")
    done = shortlist(*FAST, *args, "--goodput", "latency<1s", "--need", "latency<2s", cwd=tmp_path)
    assert done.code == 0, done.err
    assert "Sweep   rate 50, 100; each 1 candidate ×" in done.err
    assert max(map(len, done.out.splitlines())) <= 80
    assert "rate 50: Ship ttft=3ms,gap=1ms,chunks=3." in " ".join(done.out.split())
    (folder,) = tmp_path.glob("shortlist-*")
    names = {"report.html", "report.md", "report.csv", "report.json", "figures"}
    assert {path.name for path in folder.iterdir()} == names
    assert {path.name for path in (folder / "figures").iterdir()} == {"sweep.svg", "sweep-goodput.svg"}
    shown = shortlist("runs", "show", "load", "--json", cwd=tmp_path).json
    assert shown["schema"] == "shortlist-sweep"
    assert [point["value"] for point in shown["data"]["curves"][0]["points"]] == [50.0, 100.0]
    one = shortlist("runs", "show", "load/rate=100", "--json", cwd=tmp_path).json
    assert one["data"]["load"]["rate_per_s"] == 100.0
    more = shortlist("bench", "--resume", "load", "--rounds", 3, cwd=tmp_path)
    assert more.code == 0, more.err
    assert "× 3 rounds" in more.out
