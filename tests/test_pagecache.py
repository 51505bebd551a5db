import mmap
import os
import random
import sys
import tempfile
from pathlib import Path

import pytest

from shortlist.pagecache import cached_share, drop_file_cache

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the page cache is asked through Linux's mincore")

PAGES = 64


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "model.gguf"
    path.write_bytes(random.Random(1).randbytes(PAGES * mmap.PAGESIZE + 100))
    if not drop_file_cache(path):
        pytest.skip("this file system keeps its pages (tmpfs)")
    path.read_bytes()
    return path


def test_a_file_just_read_is_cached_and_after_dropping_it_is_not(file: Path) -> None:
    assert cached_share(file) == 1.0
    assert drop_file_cache(file) is True
    assert cached_share(file) == 0.0


def test_looking_does_not_load(file: Path) -> None:
    drop_file_cache(file)
    assert [cached_share(file) for _ in range(3)] == [0.0] * 3


def test_freshly_written_pages_can_be_dropped_too(file: Path) -> None:
    with file.open("r+b") as stream:
        stream.write(b"x" * 3 * mmap.PAGESIZE)
    assert drop_file_cache(file) is True


def test_pages_that_somebody_maps_are_reported_and_not_claimed_gone(file: Path) -> None:
    with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, prot=mmap.PROT_READ) as mapped:
        assert mapped[0] is not None
        assert sum(mapped[:: mmap.PAGESIZE]) > 0
        assert drop_file_cache(file) is False
        assert (cached_share(file) or 0) > 0
    assert drop_file_cache(file) is True


def test_an_empty_file_has_nothing_cached(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert cached_share(tmp_path / "empty") == 0.0


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    for function in (cached_share, drop_file_cache):
        with pytest.raises(FileNotFoundError):
            function(tmp_path / "gone")


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="takes another user's eyes, which root can lend"
)
def test_of_a_file_that_is_not_ours_nothing_is_claimed() -> None:
    """The kernel answers "all cached" for such files, which must not be believed."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        file = Path(folder) / "model.gguf"
        file.write_bytes(b"x" * 100_000)
        file.chmod(0o644)
        read_end, write_end = os.pipe()
        child = os.fork()
        if child == 0:
            os.setuid(65534)
            os.write(write_end, repr((cached_share(file), drop_file_cache(file))).encode())
            os._exit(0)
        os.waitpid(child, 0)
        os.close(write_end)
        assert os.read(read_end, 100) == b"(None, False)"
        os.close(read_end)
