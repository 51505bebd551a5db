"""What a file should be, and how it is told that it is not."""

from pathlib import Path

from models.hf_cache import FIRST, SECOND, blob_name, lay_out
from shortlist.models.hubcache import scan
from shortlist.models.pins import Pin
from shortlist.models.verify import verify_repository
from shortlist.records import ModelFile

WEIGHTS, WORDS = b"w" * 4000, b'{"a": 1}'


def states(root: Path, pin: Pin | None = None) -> dict[str, str]:
    (repository,) = scan(root)
    return {one.path.name: one.state for one in verify_repository(repository, pin)}


def test_large_and_small_files_are_good_by_their_blobs_names(tmp_path: Path) -> None:
    lay_out(tmp_path, "o/r", {"m.gguf": WEIGHTS, "config.json": WORDS})
    assert states(tmp_path) == {"m.gguf": "good", "config.json": "good"}


def test_a_small_files_flipped_bit_is_found_too(tmp_path: Path) -> None:
    folder = lay_out(tmp_path, "o/r", {"m.gguf": WEIGHTS, "config.json": WORDS})
    (folder / "blobs" / blob_name("config.json", WORDS)).write_bytes(b'{"a": 3}')
    assert states(tmp_path) == {"m.gguf": "good", "config.json": "broken"}


def test_a_pin_that_says_otherwise_goes_before_the_name(tmp_path: Path) -> None:
    lay_out(tmp_path, "o/r", {"m.gguf": WEIGHTS})
    pin = Pin(FIRST, "2026-11-26", {"m.gguf": ModelFile("m.gguf", 4000, "0" * 64)})
    assert states(tmp_path, pin) == {"m.gguf": "broken"}


def test_what_nothing_is_known_of_is_neither_good_nor_broken(tmp_path: Path) -> None:
    folder = lay_out(tmp_path, "o/r", {})
    loose = folder / "snapshots" / FIRST / "m.gguf"
    loose.parent.mkdir(parents=True)
    loose.write_bytes(WEIGHTS)
    assert states(tmp_path) == {"m.gguf": "unknown"}


def test_a_blob_that_revisions_share_is_hashed_once(tmp_path: Path) -> None:
    for commit in (FIRST, SECOND):
        lay_out(tmp_path, "o/r", {"m.gguf": WEIGHTS}, commit)
    (repository,) = scan(tmp_path)
    assert len(list(verify_repository(repository, None))) == 1
