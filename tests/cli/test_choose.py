"""`shortlist choose` from outside: the sentence first, the numbers, exit codes, and what is stored."""

import re
from pathlib import Path

import pytest

from choose.scored_run import scored_run
from cli.commands import Done, shortlist
from results.made_run import make_run
from shortlist.records import Run
from shortlist.results.store import Store


def stored(home: Path, run: Run) -> Path:
    with Store.open(home / "results.db") as store:
        store.add_run(run)
    return home


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return stored(tmp_path / "home", scored_run())


def choose(home: Path, *args: object) -> Done:
    return shortlist("choose", "last", *args, cwd=home, SHORTLIST_HOME=str(home))


def test_the_sentence_comes_first_and_then_the_numbers_behind_it(home: Path) -> None:
    done = choose(home, "--need", "memory<100MB", "--need", "latency<1s")
    assert done.code == 0, done.err
    told = " ".join(done.out.split())
    assert told.startswith("Ship small. tiny is 0.")
    assert re.search(r"large is out: 11\d MB of memory, 100 MB allowed\.", told)
    assert re.search(r"small ✓ .* ship", told)
    assert re.search(r"error level of 5 %.*of redraws", told)
    assert re.search(r"if the limit of peak memory were", told)


@pytest.mark.parametrize(
    ("needs", "code", "verdict"),
    [
        (("latency<1s",), 0, "ship"),
        (("latency<1ms",), 3, "none_qualifies"),
        (("p95<1ms", "p99<1s"), 3, "none_qualifies"),
        (("licence=commercial",), 4, "not_enough_evidence"),
    ],
)
def test_exit_codes_follow_the_verdict(home: Path, needs: tuple[str, ...], code: int, verdict: str) -> None:
    done = choose(home, *(part for need in needs for part in ("--need", need)), "--json")
    assert (done.code, done.json["data"]["choice"]["verdict"]) == (code, verdict)
    assert done.json["schema"] == "shortlist-choice"


def test_not_enough_evidence_ends_with_a_command_to_paste(tmp_path: Path) -> None:
    done = choose(stored(tmp_path / "home", make_run()), "--need", "p95<1s")
    assert done.code == 4
    assert done.out.startswith("Not enough evidence. ")
    assert done.out.rstrip().splitlines()[-1].strip() == "shortlist bench --resume 5eed7f3c --rounds 18"


def test_the_choice_is_stored_with_its_run(home: Path) -> None:
    choose(home, "--need", "latency<1s", "--prefer", "latency")
    with Store.open(home / "results.db") as store:
        (kept,) = store.load_run(store.resolve("last")).choices
    assert kept.verdict in ("ship", "ship_cheapest_of_equals")


@pytest.mark.slow
def test_the_same_run_imported_into_another_home_is_decided_in_the_same_bytes(home: Path, tmp_path: Path) -> None:
    exported = shortlist("runs", "export", "last", cwd=home, SHORTLIST_HOME=str(home))
    (tmp_path / "run.json").write_text(exported.out, encoding="utf-8")
    other = tmp_path / "other"
    assert shortlist("runs", "import", tmp_path / "run.json", cwd=tmp_path, SHORTLIST_HOME=str(other)).code == 0
    asked = ("--need", "latency<1s", "--need", "facets>=0.2")
    here, there = (choose(where, *asked, "--json") for where in (home, other))
    assert here.out == there.out
    assert here.json["data"]["choice"]["stability"] is not None
    assert choose(home, *asked).out == choose(other, *asked).out


def test_a_needs_file_and_typed_needs_are_read_together(home: Path) -> None:
    (home / "needs.toml").write_text('needs = ["latency<1s"]\n[prefer]\norder = ["latency"]\n')
    data = choose(home, "--needs", "needs.toml", "--need", "memory<1GB", "--json").json["data"]
    assert [need["text"] for need in data["needs"]] == ["latency<1s", "memory<1GB", "error_rate<=1%"]
    assert data["preferences"] == ["latency"]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--need", "latancy<2s"), "did you mean latency"),
        (("--need", "p95>2s"), "less is better"),
        (("--prefer", "qualty"), "did you mean quality"),
        (("--prefer", ","), "names nothing"),
        (("--needs", "none.toml"), "cannot be read"),
    ],
)
def test_what_was_typed_wrong_is_exit_2_with_a_hint(home: Path, args: tuple[str, ...], said: str) -> None:
    done = choose(home, *args)
    assert (done.code, done.out) == (2, "")
    assert said in done.err


def test_ascii_output_holds_no_other_character(home: Path) -> None:
    assert choose(home, "--need", "latency<1s", "--ascii").out.isascii()


@pytest.mark.slow
def test_a_licence_policy_is_a_need_of_every_candidate_and_stays_with_the_choice(home: Path) -> None:
    (home / "licences.toml").write_text("[classes]\nunknown = 'refuse'\n")
    policy = {"SHORTLIST_HOME": str(home), "SHORTLIST_LICENCE_POLICY": "licences.toml"}
    refused = shortlist("choose", "last", "--need", "latency<1s", cwd=home, **policy)
    assert refused.code == 3
    assert "its licence is refused by the licence policy" in " ".join(refused.out.split())
    (home / "licences.toml").write_text("[classes]\nunknown = 'allow'\n")
    reported = shortlist("report", "last", "--format", "md", "--out", "again", cwd=home, SHORTLIST_HOME=str(home))
    assert reported.code == 0
    told = (home / "again" / "report.md").read_text(encoding="utf-8")
    assert "is refused by the licence policy" in told, "by the policy of then"
    allowed = shortlist("choose", "last", "--need", "latency<1s", cwd=home, **policy)
    assert allowed.code == 0
