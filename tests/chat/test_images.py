"""Images are told by their bytes, and refused with the reason."""

from pathlib import Path

import pytest

from shortlist.chat.images import image_kind, refuse_images
from shortlist.errors import BadInput

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20


def test_kinds_are_told_by_the_first_bytes() -> None:
    assert image_kind(PNG) == "PNG"
    assert image_kind(b"RIFF\0\0\0\0WEBPVP8 ") == "WebP"
    assert image_kind(b"\xff\xd8\xff\xe0" + b"\0" * 16) == "JPEG"
    assert image_kind(b"BM\x36\0\0\0\0\0\0\0\x36\0\0\0\x28\0") == "BMP"
    assert image_kind(b"BMW builds cars, and this is a text") is None
    assert image_kind(b"Big news") is None
    assert image_kind(b"") is None


@pytest.mark.parametrize("question", ["what is in {path} ?", "'{path}'", "file://{path}"])
def test_a_path_of_an_image_in_the_question_is_refused(tmp_path: Path, question: str) -> None:
    path = tmp_path / "cat.png"
    path.write_bytes(PNG)
    with pytest.raises(BadInput, match="PNG"):
        refuse_images(question.format(path=path))


def test_words_about_images_and_files_that_are_none_pass(tmp_path: Path) -> None:
    (tmp_path / "notes.png").write_text("a text that is called so, and long enough")
    refuse_images(f"what is a PNG? {tmp_path / 'notes.png'} {tmp_path / 'gone.png'} ~nobody/x.png \0.png")
    with pytest.raises(BadInput, match="data:image"):
        refuse_images("![x](data:image/png;base64,AAAA)")
