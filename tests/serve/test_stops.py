"""llama.cpp behind the service stops when the client goes, by its own count of decoding steps."""

import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conformance.subjects import _slow_model
from serve.asking import open_stream, pieces
from serve.house import House, open_house
from shortlist.clock import sleep_blocking_ns
from shortlist.gguf import read_header

pytestmark = pytest.mark.engine

TICK_NS = 20 * 10**6
SEEN = 12


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A model that takes milliseconds for a token: longer than a host's scheduler takes a core away."""
    logs = tmp_path_factory.mktemp("logs")
    with open_house("llamacpp", str(_slow_model(logs)), logs) as opened:
        yield opened


@pytest.fixture(scope="module")
def plain(house: House) -> dict[str, Any]:
    """Each token is a word, so that what the client has can be counted, and the answer is long."""
    tokens = read_header(Path(house.logs) / "slow.gguf").metadata["tokenizer.ggml.tokens"]
    assert isinstance(tokens, tuple)
    return {"max_tokens": 400, "ignore_eos": True, "logit_bias": {str(tokens.index("Ġthe")): 100}}


def decoded(house: House) -> int:
    """Decoding steps so far, once the count stands still."""
    base = house.models.endpoint.base_url.removesuffix("/v1")  # type: ignore[attr-defined]
    headers = house.models.engine.request_headers()  # type: ignore[attr-defined]
    last = -1
    while True:
        with urllib.request.urlopen(urllib.request.Request(f"{base}/metrics", headers=headers)) as reply:
            found = re.search(r"^llamacpp:n_decode_total (\d+)", reply.read().decode(), re.MULTILINE)
        assert found is not None
        if int(found[1]) == last:
            return last
        last = int(found[1])
        sleep_blocking_ns(TICK_NS)


def go_after(house: House, **keys: Any) -> int:
    """Read until so many words have come, close; how many."""
    sock = open_stream(house, **keys)
    got = b""
    for piece in pieces(sock):
        got += piece
        if got.count(b'"content":" the"') >= SEEN:
            break
    sock.close()
    return got.count(b'"content":" the"')


def test_at_most_four_further_tokens_are_decoded(house: House, plain: dict[str, Any]) -> None:
    start = decoded(house)
    seen = go_after(house, **plain | {"max_tokens": SEEN})
    assert seen == SEEN
    question = decoded(house) - start - seen
    for _ in range(2):
        before = decoded(house)
        seen = go_after(house, **plain)
        further = decoded(house) - before - question - seen
        assert 0 <= further <= 4, f"{seen} tokens were read, and {further} more were decoded"


def test_of_several_choices_all_stop(house: House, plain: dict[str, Any]) -> None:
    """Each would have gone on for 400 steps."""
    before = decoded(house)
    seen = go_after(house, **plain, n=2)
    assert decoded(house) - before < seen + 20
    assert not house.models.held
