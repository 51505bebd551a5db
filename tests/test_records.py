"""Records: JSON there and back, ids by content, nothing can be changed."""

import dataclasses
import inspect
import string
import uuid

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist import records
from shortlist.records import Candidate, Chunk, EngineOptions, ModelFile, Sample, SampleError, Usage, Variant

KINDS = [kind for _, kind in inspect.getmembers(records, dataclasses.is_dataclass)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_record_is_frozen_and_slotted(kind: type) -> None:
    assert kind.__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert "__dict__" not in dir(kind)


texts = st.text(max_size=20)
stamps = st.integers(0, 2**62)
chunks = st.builds(
    Chunk,
    stamps,
    st.integers(0, 2**31),
    st.sampled_from(["text", "reasoning", "tool", "role", "usage", "other"]),
    st.none() | stamps,
)
samples = st.builds(
    Sample,
    id=texts,
    cell=st.none() | texts,
    block=texts,
    executor=texts,
    phase=st.sampled_from(["warmup", "measure", "memory"]),
    status=st.sampled_from(["ok", "empty", "failed", "timeout", "partial"]),
    seq=st.integers(0, 10**6),
    due_ns=stamps,
    sent_ns=st.none() | stamps,
    headers_ns=st.none() | stamps,
    end_ns=st.none() | stamps,
    chunks=st.lists(chunks, max_size=5).map(tuple),
    usage=st.none() | st.builds(Usage, st.none() | stamps, st.none() | stamps),
    text=st.text(),
    error=st.none() | st.builds(SampleError, texts, texts),
    disturbance=st.lists(texts, max_size=2).map(tuple),
)


@given(samples)
def test_a_sample_survives_json_exactly(sample: Sample) -> None:
    assert records.from_json(records.to_json(sample), Sample) == sample


def candidate(label: str = "a", sha: str = "00", **options: object) -> Candidate:
    variant = Variant("gguf", "q8_0", (ModelFile("a.gguf", 7, sha),))
    return records.make_candidate(label, "a", "llamacpp", variant, EngineOptions(**options))  # type: ignore[arg-type]


def test_a_candidates_id_is_its_content_and_not_its_label() -> None:
    assert candidate("a").id == candidate("b").id
    assert len({candidate().id, candidate(sha="01").id, candidate(threads=2).id, candidate(prefix_cache=True).id}) == 4


def test_the_wrong_shape_is_refused_with_its_place() -> None:
    with pytest.raises(msgspec.ValidationError, match=r"\$\.chunks\[0\]\.ns"):
        records.from_json(
            b'{"id":"","cell":null,"block":"","executor":"","phase":"measure","status":"ok","seq":0,"due_ns":1,'
            b'"chunks":[{"ns":"soon","bytes":1,"kind":"text"}]}',
            Sample,
        )


def test_an_id_is_a_uuid_of_version_7_and_sorts_by_its_time() -> None:
    ids = [records.uuid7(ms * 10**6) for ms in (1, 2, 1_800_000_000_000)]
    assert ids == sorted(ids)
    assert {uuid.UUID(i).version for i in ids} == {7}
    assert {uuid.UUID(i).variant for i in ids} == {uuid.RFC_4122}
    assert len({records.uuid7(5) for _ in range(1000)}) == 1000


@given(st.text(string.printable) | st.just("\ud800"))
def test_a_texts_digest_takes_any_text(text: str) -> None:
    assert len(records.text_sha256(text)) == 64


def test_the_variants_size_is_none_where_there_is_no_file() -> None:
    assert Variant("endpoint").size_bytes is None
    assert Variant("gguf", files=(ModelFile("a", 2), ModelFile("b", 3))).size_bytes == 5
