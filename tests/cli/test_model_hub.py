"""`model search`, `--ask-hub` and headers that lie on the Hub, against a loopback one."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.commands import shortlist
from gguf_files import llama_bytes
from hub.loopback import COMMIT, Hub, Repository, loopback_hub

Q05 = "Qwen/Qwen2.5-0.5B-Instruct-GGUF"
FILE = "qwen2.5-0.5b-instruct-q4_k_m.gguf"


@pytest.fixture
def hub() -> Iterator[Hub]:
    repositories = {
        Q05: Repository({FILE: b"x" * 1000}, ("gguf", "license:apache-2.0"), downloads=1_234_567),
        "o/mine-GGUF": Repository({"mine.gguf": llama_bytes(), "broken.gguf": b"GGUF" + b"\xff" * 99}, ("gguf",)),
        "o/locked": Repository({"x.gguf": llama_bytes()}, ("gguf", "license:gemma"), is_gated=True),
        "o/qwen2.5-0.5b-\x1b[31mred": Repository(tags=("onnx",)),
    }
    with loopback_hub(repositories) as found:
        yield found


def test_search_tells_formats_parameters_downloads_licence_and_gated(hub: Hub, tmp_path: Path) -> None:
    done = shortlist("model", "search", "qwen2.5-0.5b", cwd=tmp_path, HF_ENDPOINT=hub.url)
    assert done.code == 0
    (line,) = [line for line in done.out.splitlines() if line.startswith(Q05)]
    assert line.split()[1:] == ["gguf", "494M", "1.23M", "apache-2.0"]
    assert "\x1b" not in done.out, "a stranger's name is shown escaped"
    assert max(map(len, done.out.splitlines())) <= 80


def test_search_by_format_in_json_with_the_users_token(hub: Hub, tmp_path: Path) -> None:
    typed = ("model", "search", "o/", "--format", "gguf", "--json")
    done = shortlist(*typed, cwd=tmp_path, HF_ENDPOINT=hub.url, HF_TOKEN="hf_secret")
    assert {hit["repository"] for hit in done.json["data"]} == {"o/mine-GGUF", "o/locked"}
    assert {hit["repository"]: hit["is_gated"] for hit in done.json["data"]}["o/locked"] is True
    assert [headers.get("authorization") for headers in _seen(hub, "/api/models")] == ["Bearer hf_secret"]


def _seen(hub: Hub, part: str) -> list[dict[str, str]]:
    """The headers of every request whose path holds this, names in lower case."""
    return [{name.lower(): value for name, value in headers.items()} for path, _, headers in hub.seen if part in path]


def test_without_the_hub_what_is_known_here_is_searched_and_that_is_said(tmp_path: Path) -> None:
    for env, says in (
        ({"HF_HUB_OFFLINE": "1"}, "HF_HUB_OFFLINE is set"),
        ({"HF_ENDPOINT": "http://127.0.0.1:9"}, "cannot be reached"),
    ):
        done = shortlist("model", "search", "qwen2.5 0.5b", cwd=tmp_path, **env)
        assert done.code == 0
        assert says in done.err
        assert "Qwen/Qwen2.5-0.5B-Instruct" in done.out


@pytest.mark.slow
def test_the_first_contact_is_kept_and_a_later_one_changes_nothing(hub: Hub, tmp_path: Path) -> None:
    typed = ("model", "info", "qwen2.5-0.5b")
    env = {"HF_ENDPOINT": hub.url, "SHORTLIST_HOME": str(tmp_path / "home")}
    asked = shortlist(*typed, "--ask-hub", cwd=tmp_path, **env)
    assert asked.code == 0
    assert "491,400,032 in the card" in asked.err, "what the Hub says otherwise is told"
    hub.repositories[Q05].commit = "d" * 40
    again = shortlist(*typed, "--ask-hub", cwd=tmp_path, **env)
    assert f"the Hub has {'d' * 12} now; {'c' * 12} stays" in again.err
    offline = shortlist(*typed, "--json", cwd=tmp_path, HF_HUB_OFFLINE="1", SHORTLIST_HOME=env["SHORTLIST_HOME"])
    variant = next(v for v in offline.json["data"]["card"]["variants"] if v["quantisation"] == "q4_k_m")
    assert variant["revision"] == COMMIT
    assert variant["files"][0]["sha256"] == hashlib.sha256(b"x" * 1000).hexdigest()
    assert variant["files"][0]["size_bytes"] == 1000


def test_a_name_of_the_hub_is_judged_by_one_ranged_read_of_its_header(hub: Hub, tmp_path: Path) -> None:
    typed = ("model", "info", "hf:o/mine-GGUF/mine.gguf", "--json")
    done = shortlist(*typed, cwd=tmp_path, HF_ENDPOINT=hub.url, HF_HOME=str(tmp_path))
    assert "read on the Hub" in done.json["data"]["fit"]["basis"]
    (read,) = _seen(hub, "/resolve/")
    assert read["range"].startswith("bytes=0-")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("hf:o/locked/x.gguf", "only to those who accepted its terms"),
        ("hf:o/nothing/x.gguf", "no such repository"),
        ("hf:o/mine-GGUF/gone.gguf", "no such file"),
        ("hf:o/mine-GGUF/broken.gguf", "broken.gguf"),
    ],
)
def test_what_the_hub_refuses_is_told_and_the_rest_is_shown(hub: Hub, tmp_path: Path, name: str, says: str) -> None:
    done = shortlist("model", "info", name, cwd=tmp_path, HF_ENDPOINT=hub.url, HF_HOME=str(tmp_path))
    assert done.code == 0
    assert says.lower() in done.err.lower()
    assert "not known" in done.out
