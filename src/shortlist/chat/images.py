"""Images in a question: told by their first bytes, and refused, since no model here reads them."""

from pathlib import Path

from shortlist.errors import BadInput

_MAGICS = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
)
_HEAD_BYTES = 16
_MOST_WORDS = 200


def image_kind(head: bytes) -> str | None:
    """What kind of image the first bytes are of; None for anything else."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    if head[:2] == b"BM" and head[6:10] == b"\0\0\0\0" and len(head) >= _HEAD_BYTES:  # two reserved fields
        return "BMP"
    return next((kind for magic, kind in _MAGICS if head.startswith(magic) and len(head) >= _HEAD_BYTES), None)


def refuse_images(question: str) -> None:
    """Raise BadInput where a word of the question is the path of an image, or an image as a data URL."""
    if "data:image/" in question:
        raise BadInput("the question holds an image (data:image/...), and images are not read", hint="ask in words")
    for word in question.split()[:_MOST_WORDS]:
        path = Path(word.strip("'\"()[]<>,;").removeprefix("file://")).expanduser()
        kind = _kind_of_file(path)
        if kind is not None:
            raise BadInput(f"{path} is an image ({kind}), and images are not read", hint="say in words what is in it")


def _kind_of_file(path: Path) -> str | None:
    try:
        if not path.suffix or not path.is_file():
            return None
        with path.open("rb") as file:
            return image_kind(file.read(_HEAD_BYTES))
    except (OSError, ValueError, RuntimeError):  # a word is no path, or one that may not be read
        return None
