"""Which settings are tried on which host, and what of them is left out."""

import pytest

from shortlist.records import EngineOptions
from shortlist.tune.grid import Conditions, Setting, by_label, combined, settings_of

PLAIN = EngineOptions()
EVERYTHING = ("threads", "threads_batch", "batch", "ubatch", "kv_type", "speculation")


def labels(here: Conditions, asked: EngineOptions = PLAIN, tunable: tuple[str, ...] = EVERYTHING) -> list[str]:
    return [one.label for one in settings_of("e", tunable, asked, here)]


def test_the_default_comes_first_and_every_label_is_its_own() -> None:
    for cores in (1, 2, 4, 8, 64):
        for concurrency in (1, 8):
            found = labels(Conditions(max(1, cores - 1), cores, 2 * cores, 5000, concurrency))
            assert found[0] == "e default"
            assert len(set(found)) == len(found)


@pytest.mark.parametrize(
    ("here", "threads"),
    [
        (Conditions(1, 1, 1, 900), []),
        (Conditions(2, 2, 2, 900), ["threads=1", "threads=1, threads_batch=2"]),
        (Conditions(7, 8, 16, 900),
         ["threads=8", "threads=16", "threads=6", "threads=4", "threads=2", "threads=3, threads_batch=8"]),
    ],
)  # fmt: skip
def test_threads_are_tried_around_the_default(here: Conditions, threads: list[str]) -> None:
    assert labels(here, tunable=("threads", "threads_batch"))[1:] == [f"e {one}" for one in threads]


def test_what_the_user_set_and_what_the_engine_cannot_be_told_is_not_varied() -> None:
    here = Conditions(2, 2, 2, 900)
    assert not [one for one in labels(here, EngineOptions(threads=2)) if "threads" in one]
    assert not [one for one in labels(here, EngineOptions(kv_type="f16")) if "kv_type" in one]
    assert not [one for one in labels(here, EngineOptions(extra={"ubatch": "32"})) if "ubatch" in one]
    assert labels(here, tunable=()) == ["e default"]
    assert labels(here, tunable=("threads",)) == ["e default", "e threads=1"]


def test_a_batch_no_smaller_than_the_prompt_is_left_out() -> None:
    assert not [one for one in labels(Conditions(2, 2, 2, 150)) if "batch=" in one and "ubatch" in one]
    assert "e ubatch=1024" in labels(Conditions(2, 2, 2, 9000))
    assert "e batch=512" in labels(Conditions(2, 2, 2, 150, concurrency=4))


def test_settings_are_put_together_and_stay_lossy() -> None:
    parts = (
        Setting("e", EngineOptions(threads=1, extra={"threads_batch": "2"}), "threads"),
        Setting("e", EngineOptions(kv_type="q8_0"), "kv_type", is_lossy=True),
        Setting("e", EngineOptions(extra={"ubatch": "64"}), "ubatch"),
    )
    whole = combined(parts)
    assert whole.tuned == EngineOptions(threads=1, kv_type="q8_0", extra={"threads_batch": "2", "ubatch": "64"})
    assert whole.is_lossy
    assert whole.label == "e threads=1, kv_type=q8_0, threads_batch=2, ubatch=64"
    assert list(by_label((whole, whole))) == [whole.label]
