"""The ledger: pages of the living, read and changed one at a time, and nothing that it says is trusted further."""

import json
import os
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from shortlist.errors import HostBusy
from shortlist.ledger import Ledger, Loaded, Page, own_page, promised_bytes
from shortlist.lockfile import lock_now, open_shared, unlock


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.json")


def test_a_page_is_there_until_it_is_dropped(ledger: Ledger) -> None:
    assert ledger.pages() == ()
    page = replace(own_page("service", "the service", ports=(5273,)), loads=(Loaded("a", 5, "predicted", 2),))
    ledger.post(page)
    assert ledger.pages() == (page,)
    ledger.post(replace(page, loads=()))
    assert ledger.pages() == (replace(page, loads=()),)
    ledger.drop(page)
    assert ledger.pages() == ()


def test_a_service_and_a_bench_of_one_process_have_a_page_each(ledger: Ledger) -> None:
    ledger.post(own_page("service", "s"))
    ledger.post(own_page("bench", "b"))
    assert {page.kind for page in ledger.pages()} == {"service", "bench"}


def test_a_check_that_raises_leaves_all_as_it_was(ledger: Ledger) -> None:
    bench = own_page("bench", "b")
    ledger.post(bench)

    def refuse(others: object) -> None:
        assert others == [bench]
        raise HostBusy("no")

    with pytest.raises(HostBusy):
        ledger.post(own_page("service", "s"), refuse)
    assert ledger.pages() == (bench,)


def test_pages_of_the_dead_count_for_nothing(ledger: Ledger) -> None:
    script = f"""
        from pathlib import Path
        from shortlist.ledger import Ledger, own_page
        Ledger(Path({str(ledger.path)!r})).post(own_page("service", "soon gone"))
        print(len(Ledger(Path({str(ledger.path)!r})).pages()))
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"
    assert "soon gone" in ledger.path.read_text()
    assert ledger.pages() == ()
    ledger.post(own_page("bench", "b"))
    assert "soon gone" not in ledger.path.read_text()


def test_one_that_was_killed_and_that_nobody_has_waited_for_yet_is_dead(ledger: Ledger) -> None:
    """Where the first process of a container waits for nobody, it stays so for ever."""
    script = f"""
        from pathlib import Path
        from shortlist.ledger import Ledger, own_page
        Ledger(Path({str(ledger.path)!r})).post(own_page("service", "killed"))
        print("posted", flush=True)
        input()
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "posted\n"
        assert [page.what for page in ledger.pages()] == ["killed"]
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and is still there
        assert ledger.pages() == ()


@pytest.mark.parametrize("change", [{"born": 1.0}, {"boot_id": "another boot"}, {"pid": 2**22 + 1}])
def test_a_pid_that_is_somebody_elses_by_now_is_no_life(ledger: Ledger, change: dict[str, object]) -> None:
    page = own_page("service", "s")
    ledger.post(page)
    told = json.loads(ledger.path.read_text())
    told["pages"][0] |= change
    ledger.path.write_text(json.dumps(told))
    assert ledger.pages() == ()


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"pages": 3}', '{"pages": [{"pid": "x"}]}', '{"pages": [null]}', "[" * 100_000, "\x00\xff"],
)
def test_a_file_that_makes_no_sense_is_an_empty_one(ledger: Ledger, text: str) -> None:
    ledger.path.write_text(text)
    assert ledger.pages() == ()
    page = own_page("service", "s")
    ledger.post(page)
    assert ledger.pages() == (page,)


def test_what_is_printed_of_it_is_one_plain_line(ledger: Ledger) -> None:
    ledger.post(own_page("service", "evil\x1b[2J\nline" + "x" * 999))
    (page,) = ledger.pages()
    assert page.what.isprintable()
    assert len(page.what) <= 200


def test_a_link_is_not_followed(ledger: Ledger, tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_text("mine")
    ledger.path.symlink_to(target)
    with pytest.raises(HostBusy, match="cannot be used"):
        ledger.post(own_page("service", "s"))
    assert ledger.pages() == ()
    assert target.read_text() == "mine"


def test_who_keeps_it_locked_is_not_waited_for_for_ever(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shortlist.ledger._TRIES", 5)
    descriptor = open_shared(ledger.path, lambda _, why: AssertionError(why))
    assert lock_now(descriptor)
    with pytest.raises(HostBusy, match="keeps it locked"):
        ledger.post(own_page("service", "s"))
    unlock(descriptor)
    ledger.post(own_page("service", "s"))


def test_many_processes_lose_no_page(ledger: Ledger) -> None:
    script = f"""
        import sys
        from dataclasses import replace
        from pathlib import Path
        from shortlist.ledger import Ledger, Loaded, own_page
        ledger, page = Ledger(Path({str(ledger.path)!r})), own_page("service", sys.argv[1])
        for number in range(10):
            ledger.post(replace(page, loads=(Loaded(sys.argv[1], number, "predicted"),)))
        print("done", flush=True)
        sys.stdin.read()
    """
    argv = [sys.executable, "-c", textwrap.dedent(script)]
    started = [
        subprocess.Popen([*argv, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for name in "abcd"
    ]
    try:
        for process in started:
            assert process.stdout is not None
            assert process.stdout.readline() == "done\n"
        assert {page.what: page.bytes for page in ledger.pages()} == dict.fromkeys("abcd", 9)
    finally:
        for process in started:
            process.communicate()
    assert ledger.pages() == ()


def test_what_is_promised_is_what_is_not_resident_yet() -> None:
    assert promised_bytes([Loaded("a", 10, "predicted", 4), Loaded("b", 5, "measured", 9)]) == 6


def test_own_pages_are_this_process() -> None:
    assert own_page("bench", "b").pid == os.getpid()
    assert isinstance(own_page("bench", "b"), Page)
