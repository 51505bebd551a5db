"""llama.cpp and ONNX Runtime GenAI say the same, from one F32 source."""

from importlib import import_module
from pathlib import Path

import pytest

from onnx_folders import FOLDER

pytestmark = pytest.mark.onnx


def test_both_engines_give_the_same_greedy_text_for_every_prompt_of_the_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "training"))
    found = import_module("notes_recipe.onnx_agreement").compare("notes-small", FOLDER)
    assert (found["prompts"], found["same_text"]) == (30, 30), found["differing"]
    assert found["texts"] > 20  # they are answers, not one and the same
