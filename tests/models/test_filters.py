"""Filters of lists: comparisons, negation, and facts that nobody knows."""

import pytest

from shortlist.errors import BadInput, UnknownName
from shortlist.models.filters import Facts, parse_filter
from shortlist.models.licence import find_licence
from shortlist.records import ModelCard, Variant

CARD = ModelCard(
    "qwen2.5-1.5b",
    family="qwen2",
    capabilities=("chat", "tools"),
    context_length=32768,
    parameters=1_543_714_304,
    licence="Apache-2.0",
)
FACTS = Facts(CARD, Variant("gguf", "q4_k_m"), find_licence(CARD), 1_117_320_736, is_cached=False, is_fitting=True)
NOTHING = Facts(ModelCard("x"), None, find_licence(ModelCard("x")), None, is_cached=True)


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ("capability=chat", True),
        ("task=chat-completion", True),
        ("capability=code", False),
        ("!capability=code", True),
        ("capability=!chat", False),
        ("capability!=chat", False),
        ("!capability!=chat", True),
        ("alias=qwen*", True),
        ("alias=qwen", False),
        ("size<2GB", True),
        ("size < 1GB", False),
        ("size>=1117320736", True),
        ("parameters<2B", True),
        ("context>=32768", True),
        ("context=32k", False),
        ("licence=commercial", True),
        ("licence=apache-2.0", True),
        ("licence=permissive", True),
        ("licence=!commercial", False),
        ("licence=gemma", False),
        ("format=onnx", False),
        ("quantisation=q4_K_M", True),
        ("cached=no", True),
        ("fits=yes", True),
        ("gated=no", True),
    ],
)
def test_filters(text: str, passes: bool) -> None:
    assert parse_filter(text)(FACTS) is passes


@pytest.mark.parametrize("text", ["size<2GB", "!size<2GB", "parameters>1", "family=qwen2", "!family=qwen2", "fits=yes"])
def test_what_is_not_known_never_matches(text: str) -> None:
    assert not parse_filter(text)(NOTHING)


def test_no_licence_is_not_a_commercial_one() -> None:
    assert not parse_filter("licence=commercial")(NOTHING)
    assert parse_filter("licence=unknown")(NOTHING)


@pytest.mark.parametrize(
    "text", ["", "chat", "size", "size<", "size<big", "capability<chat", "cached=perhaps", "parameters=1X"]
)
def test_what_is_no_filter_is_refused(text: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse_filter(text)
    assert caught.value.hint


def test_an_unknown_key_or_licence_is_told_with_the_nearest() -> None:
    with pytest.raises(UnknownName) as key:
        parse_filter("capabilty=chat")
    assert "capability" in (key.value.hint or "")
    with pytest.raises(UnknownName) as licence:
        parse_filter("licence=comercial")
    assert "commercial" in (licence.value.hint or "")
