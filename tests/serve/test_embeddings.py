"""Vectors, from a demo model that was opened for them."""

import base64
import struct
from collections.abc import Iterator
from typing import Any

import pytest

from serve.asking import Answer, ask, chat
from serve.house import House, open_house

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    logs = tmp_path_factory.mktemp("logs")
    with open_house("llamacpp", "notes-small", logs, extra={"embeddings": "1"}) as opened:
        yield opened


def embed(house: House, given: Any, **keys: Any) -> Answer:
    return ask(house, "/v1/embeddings", {"model": "also", "input": given, **keys})


def vectors(answer: Answer) -> list[list[float]]:
    assert answer.status == 200, answer.body
    return [one["embedding"] for one in answer.json["data"]]


def test_each_text_has_its_vector_in_order_whatever_stands_beside_it(house: House) -> None:
    texts = ["the budget review", "Zoë owns it", "the budget review"]
    together = embed(house, texts)
    found = vectors(together)
    assert [len(vector) for vector in found] == [64, 64, 64]  # the model's width
    assert found[0] == pytest.approx(found[2], abs=1e-3)
    assert found[0] != pytest.approx(found[1], abs=1e-3)
    assert found[1] == pytest.approx(vectors(embed(house, texts[1]))[0], abs=1e-3)
    assert (together.json["model"], together.json["object"]) == ("notes-small", "list")
    assert together.json["usage"]["prompt_tokens"] == together.json["usage"]["total_tokens"] > 3
    assert house.models.counted[-1].prompt_tokens


def test_base64_holds_the_same_numbers(house: House) -> None:
    (plain,) = vectors(embed(house, "Zoë"))
    (packed,) = [one["embedding"] for one in embed(house, "Zoë", encoding_format="base64").json["data"]]
    assert list(struct.unpack("<64f", base64.b64decode(packed))) == pytest.approx(plain, abs=1e-6)


def test_tokens_are_an_input_too(house: House) -> None:
    assert len(vectors(embed(house, [5, 6, 7]))) == 1
    assert len(vectors(embed(house, [[5, 6], [7]]))) == 2


def test_what_cannot_be_is_refused(house: House) -> None:
    for keys, param in (({"dimensions": 8}, "dimensions"), ({"encoding_format": "int8"}, "encoding_format")):
        assert embed(house, "x", **keys).error["param"] == param
    long = embed(house, "word " * 3000)
    assert (long.status, long.error["code"]) == (400, "context_length_exceeded")
    assert chat(house).error["param"] == "model"
