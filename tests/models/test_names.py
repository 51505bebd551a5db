"""Names taken apart: every form that users of other tools type."""

import pytest

from shortlist.errors import BadInput
from shortlist.models.names import parse_name, squeezed


@pytest.mark.parametrize(
    ("typed", "kind", "stem", "wanted", "version", "tag"),
    [
        ("qwen2.5-1.5b", "alias", "qwen2.5-1.5b", None, None, None),
        ("qwen2.5-1.5b@q4_k_m", "alias", "qwen2.5-1.5b", "q4_k_m", None, None),
        ("phi-4-mini@ONNX", "alias", "phi-4-mini", "onnx", None, None),
        ("qwen2.5-0.5b:4", "alias", "qwen2.5-0.5b", None, 4, None),
        ("qwen2.5-0.5b-instruct-generic-cpu:4", "alias", "qwen2.5-0.5b-instruct", "onnx", 4, None),
        ("Phi-3.5-mini-instruct-cuda-gpu", "alias", "Phi-3.5-mini-instruct", "onnx", None, None),
        ("qwen3:4b", "alias", "qwen3", None, None, "4b"),
        ("qwen3:latest", "alias", "qwen3", None, None, None),
        ("qwen2.5:7b-instruct-q4_K_M", "alias", "qwen2.5", "q4_k_m", None, "7b-instruct"),
        ("./x", "path", "./x", None, None, None),
        ("folder/x", "path", "folder/x", None, None, None),
        ("X.GGUF", "path", "X.GGUF", None, None, None),
        ("~/x", "path", "~/x", None, None, None),
    ],
)
def test_each_form(typed: str, kind: str, stem: str, wanted: str | None, version: int | None, tag: str | None) -> None:
    name = parse_name(typed)
    assert (name.kind, name.stem, name.wanted, name.version, name.tag) == (kind, stem, wanted, version, tag)


@pytest.mark.parametrize(
    ("typed", "stem", "file", "revision"),
    [
        ("hf:o/r", "o/r", None, None),
        ("hf:o/r/sub/x.gguf@abc123", "o/r", "sub/x.gguf", "abc123"),
        ("hf:o/r@main", "o/r", None, "main"),
    ],
)
def test_names_of_the_hub(typed: str, stem: str, file: str | None, revision: str | None) -> None:
    name = parse_name(typed)
    assert (name.kind, name.stem, name.file, name.revision) == ("hub", stem, file, revision)


@pytest.mark.parametrize(
    "typed", ["", "  ", "x\0y", "x@", ":4", "x:", "hf:", "hf:o", "hf:o/../x", "hf:o/r/../../etc", "hf:o/r@", "hf:/o/r"]
)
def test_what_cannot_be_a_name_is_refused_with_a_hint(typed: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse_name(typed)
    assert caught.value.hint


def test_separators_and_case_do_not_tell_models_apart_but_dots_do() -> None:
    assert squeezed("llama3.2:1b") == squeezed("Llama-3.2-1B")
    assert squeezed("qwen2.5-0.5b") != squeezed("qwen25-05b")
