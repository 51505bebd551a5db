"""`annotate`, `score` and `agreement` from outside: a pipe, a file, a terminal, and what is refused."""

import json
import os
import pty
import select
import signal
import subprocess
import termios
from pathlib import Path
from typing import Any

import pytest

from cli.commands import Done, argv, environment, shortlist
from quality.rated_run import WRONG, answering
from shortlist.records import Run
from shortlist.results.store import Store

HOSTILE = "Priya\x1b[2J\u202e by 3pm"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with one run, not scored yet."""
    run = answering({"tiny": {"n-001": WRONG, "n-002": HOSTILE, "n-003": ""}})
    keep(tmp_path / "home", run)
    return tmp_path / "home"


def keep(home: Path, run: Run) -> None:
    with Store.open(home / "results.db") as store:
        store.add_run(run)


def call(home: Path, *args: object, stdin: str = "") -> Done:
    return shortlist(*args, cwd=home, stdin=stdin, SHORTLIST_HOME=str(home))


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def fill(path: Path, value: int) -> None:
    filled = [{**row, "value": min(5, value + number % 3)} for number, row in enumerate(rows(path))]
    path.write_text("".join(json.dumps(row) + "\n" for row in filled))


def test_a_pipe_rates_answer_by_answer_and_a_later_call_goes_on(home: Path) -> None:
    done = call(home, "annotate", "last", "--rater", "ann", stdin="4\n5\n")
    assert done.code == 0, done.err
    assert "1/22 · ann" in done.out
    assert "3/22 · ann" in done.out
    assert "[1-5] rate" in done.out
    assert "2 rated, 0 skipped, 20 left" in done.err
    (journal,) = (home / "annotations").glob("*.jsonl")
    assert [row["value"] for row in rows(journal)] == [4, 5]
    later = call(home, "annotate", "--rater", "ann", stdin="q\n")
    assert "3/22 · ann" in later.out
    assert "1/22" not in later.out


def test_no_label_is_on_the_screen_and_strangers_text_is_escaped(home: Path) -> None:
    done = call(home, "annotate", "--rater", "ann", stdin="3\n" * 22)
    for label in ("tiny", "small", "large", "demo/"):
        assert label not in done.out
    assert "\x1b" not in done.out
    assert "\u202e" not in done.out
    assert "\\x1b[2J\\u202e" in done.out
    assert "(an empty answer)" in done.out
    assert "The note n-001." in done.out
    assert max(map(len, done.out.splitlines())) <= 82


def test_undo_skip_note_rubric_and_help_on_a_pipe(home: Path) -> None:
    keys = "r\n?\n2\nu\nn too long\n3\nn\nodd\n4\ns\nx\n9\nq\n"
    done = call(home, "annotate", "--rater", "ann", stdin=keys)
    (journal,) = (home / "annotations").glob("*.jsonl")
    kept = rows(journal)
    assert [(row["value"], row["note"]) for row in kept] == [(3, "too long"), (4, "odd"), (None, "")]
    assert "1 invented" in done.out
    assert "undo the last rating" in done.out
    with Store.open(home / "results.db") as store:
        stored = store.load_run(store.resolve("last")).annotations
    assert sorted((one.value, one.note) for one in stored) == [(3, "too long"), (4, "odd")]


def test_skipped_answers_come_again_at_the_end_and_all_done_leads_on(home: Path) -> None:
    done = call(home, "annotate", "--rater", "ann", stdin="s\n" + "3\n" * 21)
    assert "21 rated, 1 skipped, 0 left" in done.err
    assert "shortlist agreement" in done.err
    last = call(home, "annotate", "--rater", "ann", "--json", stdin="5\n")
    assert (last.json["data"]["rated"], last.json["data"]["left"]) == (22, 0)
    assert "22/22" in last.err


def test_two_raters_have_orders_of_their_own(home: Path) -> None:
    for rater in ("ann", "ben"):
        assert call(home, "annotate", "--rater", rater, "--out", home / f"{rater}.jsonl").code == 0
    ann, ben = ([row["output"] for row in rows(home / f"{rater}.jsonl")] for rater in ("ann", "ben"))
    assert set(ann) == set(ben)
    assert ann != ben


def test_a_killed_sitting_loses_nothing_that_was_rated(home: Path) -> None:
    env = environment(SHORTLIST_HOME=str(home))
    child = subprocess.Popen(argv("annotate", "--rater", "ann"), cwd=home, env=env, stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, text=True)  # fmt: skip
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write("4\n2\n")
    child.stdin.flush()
    for line in child.stdout:
        if line.startswith("3/22"):
            break
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert "3/22 · ann" in call(home, "annotate", "--rater", "ann").out
    with Store.open(home / "results.db") as store:
        assert len(store.load_run(store.resolve("last")).annotations) == 2


def test_single_keys_on_a_terminal(home: Path) -> None:
    leader, follower = pty.openpty()
    env = environment(SHORTLIST_HOME=str(home), TERM="xterm")
    with subprocess.Popen(argv("annotate", "--rater", "ann"), cwd=home, env=env, stdin=follower, stdout=follower,
                          stderr=subprocess.DEVNULL) as child:  # fmt: skip

        def press(key: bytes, shown: str) -> None:
            """Wait for the question, then until a single key is read (what is typed before is thrown away)."""
            seen = b""
            while not (shown.encode() in seen and b"[?]" in seen.partition(shown.encode())[2]):
                assert select.select([leader], [], [], 60)[0], seen.decode()
                seen += os.read(leader, 65536)
            while termios.tcgetattr(follower)[3] & termios.ICANON:
                assert child.poll() is None
                select.select([], [], [], 0.005)
            os.write(leader, key)

        press(b"4", "1/22")
        press(b"u", "2/22")
        press(b"5", "1/22")
        press(b"q", "2/22")
        assert child.wait(60) == 0
    os.close(leader)
    os.close(follower)
    (journal,) = (home / "annotations").glob("*.jsonl")
    assert [row["value"] for row in rows(journal)] == [5]


@pytest.mark.slow
def test_files_of_two_raters_become_ratings_facets_and_agreement(home: Path) -> None:
    for number, rater in enumerate(("ann", "ben"), start=2):
        out = home / f"{rater}.jsonl"
        written = call(home, "annotate", "--rater", rater, "--out", out, "--json")
        assert written.json["data"]["repeats"] == 7
        fill(out, number)
    done = call(home, "score", "last", "--annotations", home / "ann.jsonl", home / "ben.jsonl", "--json")
    assert done.code == 0, done.err
    data = done.json["data"]
    assert data["scored"] == {"facets": 72}
    assert data["annotations"]["ratings"] == 44
    assert data["annotations"]["raters"] == ["ann", "ben"]
    assert {"empty", "echo"} == set(data["nulls"])
    small = next(one for one in data["candidates"] if one["label"] == "small")
    assert small["facets"]["point"] == 1
    assert 1 <= small["rating"]["point"] <= 5
    agreed = call(home, "agreement", "--json").json["data"]
    assert agreed["raters"] == {"ann": 22, "ben": 22}
    assert agreed["dimensions"][0]["outputs"] == 15
    assert {one["rater"] for one in agreed["repeats"]} == {"ann", "ben"}
    shown = call(home, "agreement").out
    assert "ordinal alpha" in shown
    assert "ann and ben: weighted kappa" in shown
    assert "ben against themselves" in shown


def test_score_prints_the_null_candidates_beside_the_others(home: Path) -> None:
    done = call(home, "score")
    assert done.code == 0, done.err
    assert "72 answers scored by facets" in done.out
    for name in ("tiny", "small", "large", "empty (null)", "echo (null)", "facets", "critical"):
        assert name in done.out
    assert max(map(len, done.out.splitlines())) <= 80
    again = call(home, "score")
    assert again.out == done.out


def test_a_rating_file_is_taken_whole_or_not_at_all(home: Path) -> None:
    out = home / "ann.jsonl"
    call(home, "annotate", "--rater", "ann", "--out", out)
    fill(out, 2)
    out.write_text(out.read_text().replace('"value": 2', '"value": 7', 1))
    done = call(home, "score", "last", "--annotations", out)
    assert done.code == 2
    assert "expected a whole number from 1 to 5 or null, got 7" in done.err
    assert f"{out}, at line" in done.err
    assert "nobody has rated" in call(home, "agreement").err


def test_lines_without_a_value_are_told(home: Path) -> None:
    out = home / "ann.jsonl"
    call(home, "annotate", "--rater", "ann", "--out", out)
    done = call(home, "score", "last", "--annotations", out)
    assert "22 of 22 lines have no value" in done.err


def test_one_rater_alone_is_said_clearly(home: Path) -> None:
    call(home, "annotate", "--rater", "ann", stdin="3\n" * 22)
    done = call(home, "agreement")
    assert done.code == 0
    assert "only ann has rated: agreement between raters needs a second one" in done.err
    assert "ann against themselves" in done.out


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("annotate", "nowhere"), "unknown run 'nowhere'"),
        (("annotate", "--rater", "../x"), "cannot name a rater"),
        (("score", "last", "--annotations", "missing.jsonl"), "missing.jsonl: cannot be read"),
        (("score", "last", "stray.jsonl"), "is given without --annotations"),
        (("agreement", "nowhere"), "unknown run 'nowhere'"),
        (("annotate", "--out", "/nowhere/a.jsonl"), "cannot be written"),
    ],
)
def test_wrong_use_is_refused_with_exit_code_2(home: Path, args: tuple[str, ...], message: str) -> None:
    done = call(home, *args)
    assert done.code == 2
    assert message in done.err


def test_a_template_is_never_written_over_a_file(home: Path) -> None:
    out = home / "a.jsonl"
    out.write_text("ratings")
    done = call(home, "annotate", "--out", out)
    assert done.code == 2
    assert "is there already" in done.err
    assert out.read_text() == "ratings"


def test_the_order_cannot_change_half_way(home: Path) -> None:
    call(home, "annotate", "--rater", "ann", stdin="3\n")
    done = call(home, "annotate", "--rater", "ann", "--seed", "9")
    assert done.code == 2
    assert "began this run with --seed 0" in done.err
