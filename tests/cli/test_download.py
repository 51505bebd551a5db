"""`model download`, `outdated`, `update` as a user runs them, against a loopback Hub that misbehaves."""

import hashlib
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.commands import argv, environment, shortlist
from gguf_files import llama_bytes
from hub.loopback import Hub, Repository, Reset, Stall, Status, Wrong, loopback_hub
from shortlist.clock import sleep_blocking_ns

NAME = "hf:o/tiny/tiny.gguf"
BIG = llama_bytes() + bytes(range(256)) * 12_000


@pytest.fixture
def hub() -> Iterator[Hub]:
    repositories = {
        "o/tiny": Repository({"tiny.gguf": llama_bytes(), "README.md": b"# tiny"}, ("gguf", "license:mit")),
        "o/big": Repository({"big.gguf": BIG}),
        "o/locked": Repository({"x.gguf": llama_bytes()}, is_gated=True),
        "o/bad": Repository({"model.bin": b"\x80\x04pickle", "x.gguf": b"PK\x03\x04" + b"x" * 99}),
    }
    with loopback_hub(repositories) as found:
        yield found


@pytest.fixture
def env(hub: Hub, tmp_path: Path) -> dict[str, str]:
    return {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf"), "SHORTLIST_HOME": str(tmp_path / "home")}


def links(tmp_path: Path) -> list[Path]:
    """Everything that a tool would take for a file of a model."""
    return sorted((tmp_path / "hf").glob("hub/models--*/snapshots/*/**/*.gguf"))


def test_a_model_is_fetched_verified_and_found_offline(hub: Hub, env: dict[str, str], tmp_path: Path) -> None:
    done = shortlist("model", "download", NAME, "--json", cwd=tmp_path, **env)
    assert done.code == 0, done.err
    (one,) = done.json["data"]
    assert one["files"][0]["sha256"] == hashlib.sha256(llama_bytes()).hexdigest()
    assert Path(one["files"][0]["place"]).read_bytes() == llama_bytes()
    asked = len(hub.seen)
    again = shortlist("model", "download", NAME, cwd=tmp_path, HF_HUB_OFFLINE="1", **env)
    assert (again.code, "is here already" in again.out) == (0, True)
    assert len(hub.seen) == asked, "offline nothing is asked"


def test_offline_what_is_not_here_is_refused_at_once(hub: Hub, env: dict[str, str], tmp_path: Path) -> None:
    done = shortlist("model", "download", "mistral-7b", cwd=tmp_path, HF_HUB_OFFLINE="1", **env)
    assert (done.code, "HF_HUB_OFFLINE is set" in done.err, hub.seen) == (1, True, [])


def test_a_dry_run_shows_the_bytes_and_leaves_nothing(hub: Hub, env: dict[str, str], tmp_path: Path) -> None:
    done = shortlist("model", "download", "hf:o/big/big.gguf", "--dry-run", cwd=tmp_path, **env)
    assert done.code == 0
    assert "3.08 MB of 3.08 MB would be fetched" in done.out
    assert not (tmp_path / "home" / "pins.json").exists()
    assert not (tmp_path / "hf").exists()


def test_a_reset_and_a_busy_server_are_gone_on_from(hub: Hub, env: dict[str, str], tmp_path: Path) -> None:
    hub.faults["api"] = [Status(503, {"Retry-After": "0"})]
    hub.faults["big.gguf"] = [Reset(1_000_000), Status(429, {"Retry-After": "0"})]
    done = shortlist("model", "download", "hf:o/big/big.gguf", "--anyway", cwd=tmp_path, **env)
    assert done.code == 0, done.err
    assert done.err.count("again in") == 3
    assert hub.sent["big.gguf"] <= 1.1 * len(BIG)
    assert [path.read_bytes() for path in links(tmp_path)] == [BIG]


def test_a_killed_download_shows_no_model_and_goes_on(hub: Hub, env: dict[str, str], tmp_path: Path) -> None:
    hub.speed = 3e6
    typed = ("model", "download", "hf:o/big/big.gguf", "--anyway")
    child = subprocess.Popen(argv(*typed), cwd=tmp_path, env=environment(**env), stderr=subprocess.PIPE)
    while hub.sent["big.gguf"] < 1_000_000:
        assert child.poll() is None
        sleep_blocking_ns(5_000_000)
    child.kill()
    child.communicate()
    assert links(tmp_path) == [], "half a file is no model"
    hub.speed = None
    done = shortlist(*typed, cwd=tmp_path, **env)
    assert done.code == 0, done.err
    assert [path.read_bytes() for path in links(tmp_path)] == [BIG]
    assert hub.sent["big.gguf"] <= 1.1 * len(BIG)


@pytest.mark.slow
def test_killed_at_twenty_random_places_it_ends_whole_and_no_entry_lies(tmp_path: Path) -> None:
    data = llama_bytes() + random.Random(6).randbytes(24_000_000)
    at = sorted(random.Random(7).sample(range(len(data)), 20))
    with loopback_hub({"o/big": Repository({"big.gguf": data})}) as hub:
        env = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf"), "SHORTLIST_HOME": str(tmp_path / "home")}
        typed = ("model", "download", "hf:o/big/big.gguf", "--anyway")
        hub.speed = 6e6
        for place in at:
            child = subprocess.Popen(argv(*typed), cwd=tmp_path, env=environment(**env), stderr=subprocess.DEVNULL)
            while hub.sent["big.gguf"] < place and child.poll() is None:
                sleep_blocking_ns(2_000_000)
            child.kill()
            child.wait()
            shown = [path.read_bytes() for path in links(tmp_path)]
            assert shown in ([], [data]), "a link is to the whole file or there is none"
        hub.speed = None
        done = shortlist(*typed, cwd=tmp_path, **env)
        assert done.code == 0, done.err
        assert [path.read_bytes() for path in links(tmp_path)] == [data]
        assert hub.sent["big.gguf"] <= 1.1 * len(data), hub.sent["big.gguf"] / len(data)
        assert list((tmp_path / "hf").rglob("*.incomplete")) == []


@pytest.mark.slow
def test_two_processes_fetch_one_file_once(hub: Hub, env: dict[str, str], tmp_path: Path) -> None:
    hub.speed = 2e6
    typed = argv("model", "download", "hf:o/big/big.gguf", "--anyway")
    both = [
        subprocess.Popen(typed, cwd=tmp_path, env=environment(**env), stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    told = [one.communicate()[1] for one in both]
    assert [one.returncode for one in both] == [0, 0], told
    assert sum("another process fetches this file" in one for one in told) == 1
    assert hub.sent["big.gguf"] == len(BIG)
    assert [path.read_bytes() for path in links(tmp_path)] == [BIG]


def test_a_disk_that_takes_no_more_is_told_and_what_came_is_kept(hub: Hub, env: dict[str, str], tmp_path: Path) -> None:
    typed = argv("model", "download", "hf:o/big/big.gguf", "--anyway")
    typed[2] = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (10**6, 10**6)); " + typed[2]
    child = subprocess.run(
        typed, cwd=tmp_path, env=environment(**env), capture_output=True, text=True, timeout=60, check=False
    )
    assert child.returncode == 1
    assert "cannot be written: File too large" in child.stderr
    assert "Traceback" not in child.stderr
    assert links(tmp_path) == []
    done = shortlist(*typed[3:], cwd=tmp_path, **env)
    assert done.code == 0
    assert hub.sent["big.gguf"] <= 1.1 * len(BIG) + 2**20


def test_ctrl_c_says_what_goes_on(hub: Hub, env: dict[str, str], tmp_path: Path) -> None:
    hub.speed = 1e6
    typed = argv("model", "download", "hf:o/big/big.gguf", "--anyway")
    child = subprocess.Popen(typed, cwd=tmp_path, env=environment(**env), stderr=subprocess.PIPE, text=True)
    while hub.sent["big.gguf"] < 300_000:
        assert child.poll() is None
        sleep_blocking_ns(5_000_000)
    os.kill(child.pid, signal.SIGINT)
    _, told = child.communicate()
    assert child.returncode == 130
    assert "go on with: shortlist model download hf:o/big/big.gguf" in told
    assert "Traceback" not in told
    assert links(tmp_path) == []


def test_ctrl_c_does_not_wait_for_a_server_that_is_silent(hub: Hub, env: dict[str, str], tmp_path: Path) -> None:
    hub.faults["big.gguf"] = [Stall(300_000)]
    typed, patient = argv("model", "download", "hf:o/big/big.gguf", "--anyway"), {"HF_HUB_DOWNLOAD_TIMEOUT": "3000"}
    child = subprocess.Popen(typed, cwd=tmp_path, env=environment(**env, **patient), stderr=subprocess.DEVNULL)
    while hub.sent["big.gguf"] < 300_000:
        assert child.poll() is None
        sleep_blocking_ns(5_000_000)
    os.kill(child.pid, signal.SIGINT)
    assert child.wait(timeout=60) == 130


@pytest.mark.slow
def test_by_xet_the_librarys_own_download_is_verified_too(hub: Hub, env: dict[str, str], tmp_path: Path) -> None:
    # this Hub offers no Xet, so that the library falls back to plain HTTP
    done = shortlist("model", "download", NAME, "--xet", cwd=tmp_path, **env)
    assert done.code == 0, done.err
    assert [path.read_bytes() for path in links(tmp_path)] == [llama_bytes()]
    hub.faults["big.gguf"] = [Wrong(len(BIG) - 1)]
    wrong = shortlist("model", "download", "hf:o/big/big.gguf", "--xet", "--anyway", "--json", cwd=tmp_path, **env)
    assert "not of this file" in wrong.err
    assert [path.read_bytes() for path in links(tmp_path)] == [BIG, llama_bytes()]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("hf:o/locked/x.gguf", "only to those who accepted its terms"),
        ("hf:o/nothing/x.gguf", "no such repository"),
        ("hf:o/tiny/tinny.gguf", "did you mean tiny.gguf?"),
        ("hf:o/bad/model.bin", "is a pickle"),
        ("hf:o/bad/x.gguf", "is not GGUF but a zip archive"),
    ],
)
def test_what_cannot_be_had_is_told_and_leaves_no_model(
    hub: Hub, env: dict[str, str], tmp_path: Path, name: str, says: str
) -> None:
    done = shortlist("model", "download", name, cwd=tmp_path, **env)
    assert done.code in (1, 2)
    assert says in done.err
    assert links(tmp_path) == []


def test_a_gated_model_comes_with_the_token_which_storage_never_sees(
    hub: Hub, env: dict[str, str], tmp_path: Path
) -> None:
    done = shortlist("model", "download", "hf:o/locked/x.gguf", cwd=tmp_path, HF_TOKEN="hf_secret", **env)
    assert done.code == 0, done.err
    assert [path for path, _, headers in hub.seen if "hf_secret" not in str(headers)] == []
    assert hub.storage_seen
    assert not any("hf_secret" in str(headers) for _, headers in hub.storage_seen)


def test_what_does_not_fit_is_refused_before_a_byte_and_the_smaller_variant_named(
    hub: Hub, env: dict[str, str], tmp_path: Path
) -> None:
    done = shortlist("model", "download", "mistral-7b", cwd=tmp_path, SHORTLIST_MEMORY_LIMIT="4GB", **env)
    assert done.code == 1
    assert "mistral-7b@q2_k fits" in done.err
    assert hub.seen == []


def test_a_licence_that_a_policy_refuses_is_refused_before_a_byte(
    hub: Hub, env: dict[str, str], tmp_path: Path
) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text('[classes]\npermissive = "review"\n')
    typed = ("model", "download", "qwen2.5-0.5b")
    done = shortlist(*typed, cwd=tmp_path, SHORTLIST_LICENCE_POLICY=str(policy), **env)
    assert (done.code, "--accept-licence" in done.err, hub.seen) == (1, True, [])


@pytest.mark.slow
def test_a_newer_commit_is_told_fetched_beside_the_old_and_then_pinned(
    hub: Hub, env: dict[str, str], tmp_path: Path
) -> None:
    assert shortlist("model", "download", NAME, cwd=tmp_path, **env).code == 0
    assert "the same" in shortlist("model", "outdated", cwd=tmp_path, **env).out
    newer = llama_bytes() + b"newer"
    hub.repositories["o/tiny"].renew("d" * 40, tiny__gguf=newer)
    old = shortlist("model", "outdated", "--json", cwd=tmp_path, **env).json["data"]
    assert (old[0]["newest"], old[0]["changed"]) == ("d" * 40, ["tiny.gguf"])
    hub.faults["tiny.gguf"] = [Wrong(5)]
    failed = shortlist("model", "update", cwd=tmp_path, **env)
    assert failed.code == 1
    assert "its digest is" in failed.err
    assert [path.read_bytes() for path in links(tmp_path)] == [llama_bytes()], "the old one stays until then"
    done = shortlist("model", "update", NAME, cwd=tmp_path, **env)
    assert (done.code, "now at dddddddddddd" in done.out) == (0, True)
    assert [path.read_bytes() for path in links(tmp_path)] == [llama_bytes(), newer]
    offline = shortlist("model", "download", NAME, "--json", cwd=tmp_path, HF_HUB_OFFLINE="1", **env)
    assert Path(offline.json["data"][0]["files"][0]["place"]).read_bytes() == newer


def test_an_hour_that_is_none_is_refused(env: dict[str, str], tmp_path: Path) -> None:
    done = shortlist("model", "download", NAME, "--at", "25:00", cwd=tmp_path, **env)
    assert (done.code, "is not a time of day" in done.err) == (2, True)


def test_huggingface_hub_itself_reads_offline_what_was_fetched(hub: Hub, env: dict[str, str], tmp_path: Path) -> None:
    assert shortlist("model", "download", NAME, cwd=tmp_path, **env).code == 0
    code = "import huggingface_hub as h; print(h.hf_hub_download('o/tiny', 'tiny.gguf'), len(h.scan_cache_dir().repos))"
    typed, offline = [sys.executable, "-c", code], environment(**env, HF_HUB_OFFLINE="1")
    done = subprocess.run(typed, env=offline, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == [str(links(tmp_path)[0]), "1"]
    (inside,) = (tmp_path / "hf" / "hub").glob("models--*")
    assert sorted(place.name for place in inside.iterdir()) == ["blobs", "refs", "snapshots"]
