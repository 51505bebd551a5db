import json
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shortlist.errors import HostBusy
from shortlist.hostlock import Holder, bench_lock, living_holder, lock_path
from shortlist.machine import boot_id

HOLD = """
import subprocess, sys
from pathlib import Path
from shortlist.errors import HostBusy
from shortlist.hostlock import bench_lock
try:
    with bench_lock(sys.argv[2], Path(sys.argv[1])) as holder:
        child = subprocess.Popen(["sleep", "60"]).pid if "child" in sys.argv[2] else ""
        print(holder.epoch, child, flush=True)
        sys.stdin.read()
except HostBusy as error:
    print("busy:", error.message, flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bench.lock"


@contextmanager
def other_process(path: Path, what: str = "another run") -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """A process that tries for the lock and, with it, waits; and its first line: the epoch, or `busy: …`."""
    command = [sys.executable, "-c", HOLD, str(path), what]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def record(path: Path) -> dict[str, object]:
    loaded: dict[str, object] = json.loads(path.read_text())
    return loaded


def test_the_holder_signs_with_pid_boot_epoch_and_reason(path: Path) -> None:
    with bench_lock("bench of three models", path) as holder:
        assert holder == Holder(os.getpid(), boot_id(), 1, "bench of three models", holder.since)
        assert record(path) == {name: getattr(holder, name) for name in Holder.__dataclass_fields__}
    assert record(path)["pid"] is None


def test_a_second_process_is_refused_and_told_who_and_since_when(path: Path) -> None:
    with bench_lock("bench of three models", path) as holder, other_process(path) as (_, said):
        assert said.startswith("busy: another bench has this host")
        assert f"pid {os.getpid()}, since {holder.since} (bench of three models)" in said


def test_we_are_refused_while_another_process_holds_it(path: Path) -> None:
    with other_process(path, "its run") as (process, said):
        assert said == "1"
        with (
            pytest.raises(HostBusy, match=rf"pid {process.pid}, since 20.*\(its run\)") as caught,
            bench_lock("x", path),
        ):
            pytest.fail("two hold the host")
        assert caught.value.hint == f"wait until it has ended, or stop it: kill {process.pid}"


def test_a_killed_holder_leaves_the_host_free_at_once(path: Path) -> None:
    with other_process(path) as (process, said):
        assert said == "1"
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert record(path)["pid"] == process.pid
        with bench_lock("next", path) as holder:
            assert holder.epoch == 2


def test_a_child_of_a_killed_holder_does_not_keep_the_lock(path: Path) -> None:
    """An engine that outlives its bench must not lock the host for ever."""
    with other_process(path, "with child") as (process, said):
        child = int(said.split()[1])
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        try:
            with bench_lock("next", path) as holder:
                os.kill(child, 0)  # raises if it is gone
                assert holder.epoch == 2
        finally:
            os.kill(child, signal.SIGKILL)


def test_a_child_started_under_the_lock_does_not_keep_it(path: Path) -> None:
    for epoch in range(1, 20, 2):
        with bench_lock("first", path):
            child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False)
        with child:
            with bench_lock("second", path) as holder:
                assert holder.epoch == epoch + 1
            child.kill()


def test_one_process_cannot_hold_it_twice(path: Path) -> None:
    with bench_lock("outer", path), pytest.raises(HostBusy, match=f"pid {os.getpid()}"), bench_lock("inner", path):
        pytest.fail("held twice")


def test_the_lock_is_released_by_an_error_too(path: Path) -> None:
    with pytest.raises(RuntimeError, match="inside"), bench_lock("fails", path):
        raise RuntimeError("inside")
    with bench_lock("next", path) as holder:
        assert holder.epoch == 2


def test_of_many_that_try_together_one_has_it_at_a_time(path: Path) -> None:
    inside, most, epochs = 0, 0, []
    guard = threading.Lock()

    def contend() -> None:
        nonlocal inside, most
        for _ in range(200):
            try:
                with bench_lock("race", path) as holder:
                    with guard:
                        inside += 1
                        most = max(most, inside)
                        epochs.append(holder.epoch)
                    with guard:
                        inside -= 1
                    return
            except HostBusy:
                continue

    threads = [threading.Thread(target=contend) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert sorted(epochs) == list(range(1, len(epochs) + 1)) == list(range(1, 9))


@pytest.mark.parametrize(
    "rubbish",
    [b"", b"\0" * 50, b"{", b"[]", b'{"pid": "x"}', b"\xff\xfe", b"[" * 4000, b'{"epoch": 1e999}', b"9" * 4096],
    ids=range(9),
)
def test_rubbish_in_the_file_is_written_over(path: Path, rubbish: bytes) -> None:
    path.write_bytes(rubbish)
    with bench_lock("x", path) as holder:
        assert holder.epoch == 1
        assert record(path)["pid"] == os.getpid()


def test_a_strange_signature_cannot_write_to_the_terminal(path: Path) -> None:
    with other_process(path, "evil\x1b[2J\nline" + "x" * 999), pytest.raises(HostBusy) as caught, bench_lock("", path):
        pytest.fail("two hold the host")
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 400


def test_links_directories_and_pipes_are_refused_and_left_alone(path: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")

    def make(kind: str) -> None:
        if kind == "directory":
            path.mkdir()
        elif kind == "pipe":
            os.mkfifo(path)
        else:
            (path.symlink_to if kind == "symbolic link" else path.hardlink_to)(victim)

    for kind in ("symbolic link", "hard link", "pipe", "directory"):
        make(kind)
        with pytest.raises(HostBusy, match="cannot be used") as caught, bench_lock("x", path):
            pytest.fail(f"locked a {kind}")
        assert str(path) in (caught.value.hint or "")
        if path.is_dir():
            path.rmdir()
        else:
            path.unlink()
    assert victim.read_text() == "precious"


def test_a_dangling_link_is_not_created_through(path: Path, tmp_path: Path) -> None:
    path.symlink_to(tmp_path / "made by the lock")
    with pytest.raises(HostBusy, match="cannot be used"), bench_lock("x", path):
        pytest.fail("followed a link")
    assert not (tmp_path / "made by the lock").exists()


def test_every_user_may_lock_the_file_whatever_the_umask(path: Path) -> None:
    before = os.umask(0o077)
    try:
        with bench_lock("x", path):
            assert stat.S_IMODE(path.stat().st_mode) == 0o666
    finally:
        os.umask(before)


def test_a_file_removed_meanwhile_is_made_again(path: Path) -> None:
    with bench_lock("first", path):
        path.unlink()
    with bench_lock("second", path) as holder:
        assert record(path)["epoch"] == holder.epoch == 1


def test_the_place_does_not_depend_on_home_or_temporary_folders(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = lock_path()
    for name in ("SHORTLIST_HOME", "TMPDIR", "TEMP", "TMP", "XDG_RUNTIME_DIR", "HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    assert lock_path() == before
    assert before.parent.is_dir()


def test_who_has_the_host_can_be_asked_without_taking_it(path: Path) -> None:
    assert living_holder(path) is None
    with other_process(path) as (process, _):
        found = living_holder(path)
        assert found is not None
        assert (found.pid, found.what) == (process.pid, "another run")
        with pytest.raises(HostBusy), bench_lock("me", path):
            pass
    assert living_holder(path) is None, "a signature of the dead is nobody's"
    path.unlink()
    os.mkfifo(path)
    assert living_holder(path) is None
