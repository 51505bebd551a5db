"""A user's class in a child of its own: loaded, asked, in trouble, ended."""

import asyncio
import json
import re
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from shortlist import demo
from shortlist.clock import sleep_blocking_ns
from shortlist.engines import EngineContext, LoadSpec
from shortlist.engines.adapter import Adapter
from shortlist.errors import BadInput, DeviceMismatch, EngineNotReady
from shortlist.models.adapters import adapter_variant, read_adapter
from shortlist.quality.facets import null_answers, score_answer
from shortlist.quality.prompts import load_prompts
from shortlist.records import Endpoint, EngineOptions

HERE = Path(__file__).parents[1]
DOCS = HERE.parent / "docs" / "adapters.md"
SECOND = 10**9
WORKSHOP = """# pseudo_adapter.py (conceptual)
class CustomModelAdapter:
    def load(self, weights_path: str): ...
    def generate(self, prompt: str, **params) -> str: ...
"""


def written(folder: Path, reference: str, weights: str | None = None) -> Path:
    path = folder / "it.adapter.json"
    path.write_text(json.dumps({"adapter": reference, "weights": weights}))
    return path


def spec(path: Path, options: EngineOptions | None = None, parallel: int = 1) -> LoadSpec:
    variant = adapter_variant(read_adapter(path))
    return LoadSpec("it", "it", variant, options or EngineOptions(), path, path.parent / "log", parallel, 60 * SECOND)


class Ask:
    """An open adapter, and questions to it."""

    def __init__(self, engine: Adapter, endpoint: Endpoint, runner: asyncio.Runner) -> None:
        self.engine, self.endpoint, self.runner = engine, endpoint, runner

    def request(self, question: str, **keys: Any) -> urllib.request.Request:
        body = {"messages": [{"role": "user", "content": question}], "max_tokens": 100, **keys}
        headers = {"Content-Type": "application/json", **self.engine.request_headers()}
        return urllib.request.Request(f"{self.endpoint.base_url}/chat/completions", json.dumps(body).encode(), headers)

    def __call__(self, question: str, **keys: Any) -> tuple[int, dict[str, Any]]:
        try:
            with urllib.request.urlopen(self.request(question, **keys), timeout=60) as reply:
                return reply.status, json.load(reply)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def text(self, question: str, **keys: Any) -> str:
        status, reply = self(question, **keys)
        assert status == 200, reply
        return str(reply["choices"][0]["message"]["content"])


@contextmanager
def opened(told: LoadSpec) -> Iterator[Ask]:
    with asyncio.Runner() as runner:
        engine = Adapter(EngineContext())
        try:
            yield Ask(engine, runner.run(engine.open(told)), runner)
        finally:
            runner.run(engine.close())
        assert engine.pids() == ()


def fails(path: Path, options: EngineOptions | None = None) -> str:
    with pytest.raises(EngineNotReady) as error, opened(spec(path, options)):
        pass
    return error.value.message


def wait_for(path: Path) -> str:
    for _ in range(3000):
        if path.exists() and path.read_text():
            return path.read_text()
        sleep_blocking_ns(20 * 10**6)
    raise AssertionError(f"{path} was not written")


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The class and the weights of the docs, as they stand there."""
    folder = tmp_path_factory.mktemp("example")
    text = DOCS.read_text()
    for name, language in (("notes_extractor.py", "python"), ("cues.json", "json")):
        found = re.search(rf"```{language}\n(.*?)```", text, re.DOTALL)
        assert found is not None
        (folder / name).write_text(found[1])
    return folder


def test_the_example_of_the_docs_scores_what_they_say(example: Path) -> None:
    prompts = load_prompts(Path(demo.__file__).with_name("prompts.json"))
    path = written(example, "notes_extractor.py:Extractor", "cues.json")
    with opened(spec(path)) as ask:
        assert ask.endpoint.engine_version is not None
        assert ask.endpoint.engine_version.startswith("sha256:")
        assert ask.engine.load_ns
        assert ask.engine.settings["context"] == 2000
        answers = [ask.text(prompt.messages[-1].content) for prompt in prompts]
        _, reply = ask(prompts[0].messages[-1].content)
        assert reply["usage"]["completion_tokens"] == len(re.findall(r"[\w'-]+", answers[0]))
    scores = [score_answer(text, prompt).value for text, prompt in zip(answers, prompts, strict=True)]
    nulls = [score_answer(t, prompt).value for prompt in prompts for t in null_answers(prompt).values()]
    assert f"scores {sum(scores) / len(scores):.2f} facets" in DOCS.read_text()
    assert max(nulls) == 0


def test_the_workshops_class_works_word_for_word(tmp_path: Path) -> None:
    """Loaded as it stands; its generate gives nothing, which is told; one that gives text is all it takes."""
    assert WORKSHOP.partition("\n")[2] in f"{DOCS.read_text()}\n"
    (tmp_path / "pseudo_adapter.py").write_text(WORKSHOP)
    with opened(spec(written(tmp_path, "pseudo_adapter.py:CustomModelAdapter"))) as ask:
        status, reply = ask("hello", temperature=0.2)
        assert (status, "generate returned NoneType" in reply["error"]["message"]) == (500, True)
    more = "\nclass Mine(CustomModelAdapter):\n    def generate(self, prompt, **params): return prompt.upper()\n"
    (tmp_path / "pseudo_adapter.py").write_text(WORKSHOP + more)
    with opened(spec(written(tmp_path, "pseudo_adapter.py:Mine"))) as ask:
        assert ask.text("hello", temperature=0.2) == "HELLO"


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shapes")
    (folder / "shapes.py").write_text((HERE / "adapters" / "shapes.py").read_text())
    return folder


@pytest.mark.parametrize(
    ("reference", "told"),
    [
        ("LoadRaises", ["RuntimeError: the weights are of another kind", "in load"]),
        ("LoadExits", ["LoadExits called sys.exit('no licence') while it was loaded"]),
        ("NoGenerate", ["NoGenerate has no method generate"]),
        ("NotAClass", ["there is no class NotAClass"]),
        ("Absent", ["there is no class Absent"]),
    ],
)
def test_a_class_that_cannot_be_loaded_is_told_with_its_log(shapes: Path, reference: str, told: list[str]) -> None:
    message = fails(written(shapes, f"shapes.py:{reference}"))
    assert all(text in message for text in told), message


def test_an_import_that_fails_is_told(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import no_such_package\n")
    assert "No module named 'no_such_package'" in fails(written(tmp_path, "broken.py:X"))


def test_options_go_to_load_where_it_takes_them_and_are_refused_where_not(shapes: Path) -> None:
    with opened(spec(written(shapes, "shapes.py:Troubled"), EngineOptions(threads=3))) as ask:
        assert ask.text("how many?") == "threads=3"
    message = fails(written(shapes, "shapes.py:Text"), EngineOptions(threads=3, context=99))
    assert "Text.load takes no threads, context" in message
    path = written(shapes, "shapes.py:Troubled")
    with pytest.raises(EngineNotReady, match="takes no device"), opened(spec(path, EngineOptions(device="gpu"))):
        pass


def test_the_device_is_what_the_class_says(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text(
        "class M:\n    def load(self, weights_path, device='cpu'): self.device = 'cpu'\n"
        "    def generate(self, prompt): return prompt\n"
    )
    path = written(tmp_path, "m.py:M")
    with opened(spec(path, EngineOptions(device="cpu"))) as ask:
        assert ask.endpoint.device == "cpu"
    with pytest.raises(DeviceMismatch, match="reports cpu"), opened(spec(path, EngineOptions(device="gpu"))):
        pass


def test_trouble_in_one_answer_is_that_requests_and_the_next_is_served(shapes: Path, tmp_path: Path) -> None:
    with opened(spec(written(shapes, "shapes.py:Troubled"))) as ask:
        status, reply = ask("raise")
        assert (status, reply["error"]["message"]) == (500, "ValueError: größe is not there")
        status, reply = ask("exit")
        assert (status, reply["error"]["message"]) == (500, "SystemExit: 3")
        status, reply = ask("x", top_p=0.4)
        assert (status, reply["error"]["param"]) == (400, "top_p")
        assert ask.text("and now?") == "threads=1"
        text = "".join(path.read_text() for path in (shapes / "log").glob("*.log"))
        assert "loaded, it says" in text
        assert "ValueError: größe is not there" in text
        # A client that leaves closes the generator.
        closed = tmp_path / "closed"
        with urllib.request.urlopen(ask.request(f"close {closed}", stream=True, max_tokens=10**6), timeout=60) as reply:
            assert reply.readline().startswith(b"data:")
        assert wait_for(closed) == "closed"
        # What it starts ends with it, in whatever session.
        child = tmp_path / "child"
        ask.text(f"child {child}")
    assert not psutil.pid_exists(int(child.read_text()))


def test_a_death_in_the_middle_is_told_with_its_last_words(shapes: Path) -> None:
    with opened(spec(written(shapes, "shapes.py:Troubled"))) as ask:
        with pytest.raises((OSError, urllib.error.URLError)):
            ask("die")
        error = ask.runner.run(ask.engine.crash(10 * SECOND))
        assert error is not None
        assert "ended with exit status 7" in error.message
        assert "last words" in error.message


def test_code_that_changed_since_it_was_planned_is_not_measured(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text("class M: ...\n")
    told = spec(written(tmp_path, "m.py:M"))
    (tmp_path / "m.py").write_text("class M: pass\n")
    with pytest.raises(EngineNotReady, match="M has changed"), opened(told):
        pass


def test_what_is_no_adapter_file_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "json:JSONDecoder")
    told = spec(path)
    with pytest.raises(BadInput, match="opens adapter files"):
        asyncio.run(Adapter(EngineContext()).open(LoadSpec("x", "x", told.variant, told.options, None, tmp_path)))


def test_nothing_listens_once_it_is_closed(shapes: Path) -> None:
    with opened(spec(written(shapes, "shapes.py:Text"))) as ask:
        port = int(ask.endpoint.base_url.removesuffix("/v1").rpartition(":")[2])
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_a_module_of_an_installed_package_is_imported_in_the_child_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "acme_child_only.py").write_text((HERE / "adapters" / "shapes.py").read_text())
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))
    with opened(spec(written(tmp_path, "acme_child_only:LaterGenerated"))) as ask:
        assert ask.text("hello") == "one two  three hello"
    assert "acme_child_only" not in sys.modules
