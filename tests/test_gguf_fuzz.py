"""Ten thousand damaged headers, and what Hypothesis thinks of: a clear error or a good header, in little memory."""

import random
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gguf_files import LLAMA, TENSORS, gguf_bytes, llama_bytes
from gguf_fuzz import mutate, seeds
from shortlist import demo
from shortlist.errors import InvalidModel
from shortlist.gguf import read_header

MOST_BYTES = 256 * 10**6
_ALLOWED_HERE = 32 * 10**6  # far under what was promised, and above what any of these files needs


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "x.gguf"


def reads(place: Path, data: bytes) -> str:
    """`good`, or the error's text; anything but InvalidModel comes out of here."""
    place.write_bytes(data)
    told: InvalidModel | None = None
    try:
        read_header(place)
    except InvalidModel as error:
        told = error
    assert told is None or (str(place) in told.message and told.hint)
    return "good" if told is None else told.message


def real_heads() -> list[bytes]:
    """The headers of the three demo models, which llama.cpp opens, with the first bytes of their data."""
    found = []
    for name in demo.demo_names():
        path = demo.demo_model_path(name)
        found.append(path.read_bytes()[: read_header(path).data_offset + 4096])
    return found


def worst_of(place: Path, make: Callable[[random.Random], bytes], count: int, seed: int) -> tuple[set[str], int]:
    """The outcomes' first words and the most memory that one read took, over so many files of a seed."""
    pick, outcomes, most = random.Random(seed), set(), 0
    tracemalloc.start()
    try:
        for _ in range(count):
            data = make(pick)
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            outcomes.add(reads(place, data).removeprefix(f"{place}: ")[:24])
            most = max(most, tracemalloc.get_traced_memory()[1] - before)
    finally:
        tracemalloc.stop()
    return outcomes, most


@pytest.mark.slow
def test_ten_thousand_damaged_files_are_each_a_clear_error_or_a_good_header(place: Path) -> None:
    corpus = [*seeds(), *real_heads()]
    outcomes, most = worst_of(place, lambda pick: mutate(pick.choice(corpus), pick), 10_000, 1)
    assert most < _ALLOWED_HERE < MOST_BYTES
    assert len(outcomes) > 20, "the damage reaches many checks"


@pytest.mark.slow
def test_a_corpus_of_real_files_damaged_and_cut_is_told_in_little_memory(place: Path) -> None:
    heads = real_heads()

    def cut_or_hurt(pick: random.Random) -> bytes:
        data = pick.choice(heads)
        return data[: pick.randrange(len(data))] if pick.random() < 0.3 else mutate(data, pick)

    outcomes, most = worst_of(place, cut_or_hurt, 150, 2)
    assert most < _ALLOWED_HERE
    assert outcomes - {"good"}


_VALUES = st.one_of(
    st.booleans(),
    st.integers(0, 2**32 - 1),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.text(max_size=200),
    st.lists(st.integers(0, 2**32 - 1), max_size=50),
    st.lists(st.text(max_size=20), min_size=1, max_size=50),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(metadata=st.dictionaries(st.text(min_size=1, max_size=60), _VALUES, max_size=12))
def test_any_metadata_of_the_right_form_is_read_or_refused_by_name(place: Path, metadata: dict[str, object]) -> None:
    outcome = reads(place, gguf_bytes({**LLAMA, **metadata}, TENSORS))
    if outcome == "good":
        assert set(read_header(place).metadata) >= set(metadata)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_bytes_written_over_anywhere_are_never_a_crash(place: Path, data: st.DataObject) -> None:
    whole = bytearray(llama_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(whole) - 1))
        whole[at : at + 8] = data.draw(st.binary(min_size=1, max_size=16))
    reads(place, bytes(whole))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(head=st.binary(max_size=400))
def test_what_follows_the_magic_may_be_anything(place: Path, head: bytes) -> None:
    reads(place, b"GGUF\x03\x00\x00\x00" + head)
