"""Pictures as PNG, by resvg: an extra, loaded when it is asked for."""

from collections.abc import Sequence
from pathlib import Path

from shortlist.errors import BadInput

_FOLDERS = (
    Path("/usr/share/fonts"),
    Path("/usr/local/share/fonts"),
    Path("/Library/Fonts"),
    Path("/System/Library/Fonts/Supplemental"),
    Path.home() / ".local/share/fonts",
    Path.home() / ".fonts",
)
_WANTED = (
    ("DejaVu Sans", ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf")),
    ("Verdana", ("Verdana.ttf", "Verdana Bold.ttf")),
    ("Noto Sans", ("NotoSans-Regular.ttf", "NotoSans-Bold.ttf")),
    ("Liberation Sans", ("LiberationSans-Regular.ttf", "LiberationSans-Bold.ttf")),
    ("Arial", ("Arial.ttf", "Arial Bold.ttf")),
)
_ZOOM = 2.0


def find_font(folders: Sequence[Path] = _FOLDERS) -> tuple[str, tuple[Path, ...]]:
    """A family and its files, regular and bold. The same fonts give the same bytes. Raises BadInput: there is none."""
    there: dict[str, Path] = {}
    for folder in folders:
        if folder.is_dir():
            for path in sorted(folder.rglob("*.ttf")):
                there.setdefault(path.name, path)
    for family, names in _WANTED:
        if all(name in there for name in names):
            return family, tuple(there[name] for name in names)
    raise BadInput(
        "no font was found to write the labels of a PNG with",
        hint="install DejaVu Sans (apt install fonts-dejavu-core), or leave --png away: the SVG files are there",
    )


def svg_to_png(svg: str, font: tuple[str, tuple[Path, ...]]) -> bytes:
    """A picture's file as PNG, twice its size. Raises BadInput where the extra is missing."""
    try:
        import resvg_py
    except ImportError:
        raise BadInput("--png needs resvg, which is not installed", hint="pip install 'shortlist[png]'") from None
    family, files = font
    drawn = resvg_py.svg_to_bytes(
        svg_string=svg,
        zoom=_ZOOM,
        font_files=[str(path) for path in files],
        skip_system_fonts=True,
        font_family=family,
        sans_serif_family=family,
    )
    return bytes(drawn)
