"""How engines are found."""

import subprocess
import sys
from dataclasses import fields
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from shortlist import engines
from shortlist.engines import EngineContext, engine_for, engine_names, find_engine, refuse_options
from shortlist.environment import child_environment
from shortlist.errors import BadInput, EngineError, UnknownName
from shortlist.records import EngineOptions, Variant


@pytest.mark.parametrize("name", ["llamacpp", "onnx_genai", "remote", "fake"])
def test_our_engines_are_found_and_constructed_alike(name: str) -> None:
    engine = find_engine(name)(EngineContext())
    assert engine.name == name
    assert (engine.pids(), engine.load_ns, engine.log_tail()) == ((), None, "")
    assert name in engine_names()
    assert engine.needs_nonce == (name == "remote")  # only there is the cache of prompts out of our hands


def test_an_unknown_engine_names_the_nearest() -> None:
    with pytest.raises(UnknownName) as caught:
        find_engine("llama.cpp")
    assert caught.value.near == ["llamacpp"]


def test_another_package_can_add_an_engine_but_not_replace_ours(tmp_path: Path) -> None:
    """Read from real package metadata, in a process that has it on its path."""
    info = tmp_path / "other-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[shortlist.engines]\nnew = other:Engine\nfake = other:Engine\nbroken = other:No\n"
    )
    (tmp_path / "other.py").write_text("class Engine: pass\n")
    told = (
        "from shortlist.engines import *; print(*(find_engine(n).__module__ for n in ('new', 'fake')), engine_names())"
    )
    environment = child_environment()
    environment["PYTHONPATH"] += f":{tmp_path}"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.startswith("other shortlist.engines.fake ")
    assert "'new'" in done.stdout


def test_an_engine_that_cannot_be_imported_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Patched: an installed package with a broken entry point is not worth its making here."""
    broken = {"gone": EntryPoint("gone", "no_such_package:Engine", engines.GROUP)}
    monkeypatch.setattr(engines, "_entry_points", lambda: broken)
    with pytest.raises(EngineError, match="no_such_package"):
        find_engine("gone")


def test_finding_an_engine_imports_no_library_of_it() -> None:
    told = "import sys, shortlist.engines as e; e.find_engine('llamacpp'); print('xllamacpp' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", told], capture_output=True, text=True, check=True, env=child_environment()
    )
    assert done.stdout.strip() == "False"


def test_an_option_that_would_be_ignored_is_refused() -> None:
    refuse_options("remote", EngineOptions(), "so")
    refuse_options("remote", EngineOptions(threads=2), "so", frozenset({"threads"}))
    refuse_options("remote", EngineOptions(extra={"a": "b"}), "so", frozenset({"a"}))
    every: dict[str, Any] = {
        "device": "cpu", "threads": 2, "context": 9, "kv_type": "f16", "gpu_layers": 0, "prefix_cache": True,
        "extra": {"a": "b"},
    }  # fmt: skip
    assert set(every) == {field.name for field in fields(EngineOptions)}
    for options in (EngineOptions(**{name: value}) for name, value in every.items()):
        with pytest.raises(BadInput, match="so"):
            refuse_options("remote", options, "so")


def test_secrets_are_not_in_a_contexts_repr() -> None:
    assert "s3cret" not in repr(EngineContext(headers={"X-Key": "s3cret"}))


def test_the_format_chooses_the_engine_unless_somebody_did() -> None:
    onnx, gguf, other = Variant("onnx"), Variant("gguf"), Variant("adapter")
    assert engine_for("m", onnx, "llamacpp", is_asked=False) == "onnx_genai"
    assert engine_for("m", gguf, "onnx_genai", is_asked=False) == "llamacpp"
    assert engine_for("m", onnx, "onnx_genai", is_asked=True) == "onnx_genai"
    assert engine_for("m", onnx, "somebodys", is_asked=True) == "somebodys"  # it knows by itself what it opens
    assert engine_for("m", other, "llamacpp", is_asked=True) == "adapter"  # nothing else opens a class
    with pytest.raises(BadInput, match="m is an ONNX model") as caught:
        engine_for("m", onnx, "llamacpp", is_asked=True)
    assert "onnx_genai" in (caught.value.hint or "")
