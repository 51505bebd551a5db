"""Reports as files: each appears whole or not at all."""

from collections.abc import Sequence
from pathlib import Path

from shortlist.choose.decision import Decision
from shortlist.errors import BadInput, StoreError
from shortlist.files import write_whole
from shortlist.report.csv import render_csv
from shortlist.report.document import render_json
from shortlist.report.gallery import gallery
from shortlist.report.html import render_html
from shortlist.report.markdown import render_markdown
from shortlist.report.pictures.style import file_style
from shortlist.report.png import find_font, svg_to_png
from shortlist.report.scene import Scene
from shortlist.report.svg import Picture
from shortlist.results.figures import RunSummary
from shortlist.results.series import Series

FORMATS = ("html", "md", "csv", "json")
"""All there are; those that are written unless others are asked for."""

FIGURES = "figures"
_OURS = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 '


def write_report(
    summary: RunSummary,
    out_dir: Path,
    formats: Sequence[str] = FORMATS,
    decision: Decision | None = None,
    series: Series | None = None,
    *,
    png: bool = False,
    all_answers: bool = False,
) -> tuple[Path, ...]:
    """Write `report.<format>` each and the pictures as `figures/*.svg`, with `png` also as PNG; the paths.

    Without a decision or a series the pictures that need it are left out. Pictures of an earlier report in the same
    folder are removed: they would show another decision. Raises BadInput for an unknown format, or where a PNG cannot
    be made; StoreError where nothing can be written.
    """
    check_formats(formats)
    scene = Scene(summary, decision, series)
    contents = [
        (out_dir / f"report.{name}", _render(name, scene, all_answers=all_answers).encode("utf-8"))
        for name in dict.fromkeys(formats)
    ]
    drawn = picture_files(gallery(scene).pictures, out_dir / FIGURES, png=png)
    return write_files(out_dir, contents, drawn)


def check_formats(formats: Sequence[str]) -> None:
    """Raises BadInput for a format that there is not."""
    unknown = [name for name in formats if name not in FORMATS]
    if unknown:
        raise BadInput(f"no report is written as {unknown[0]!r}", hint=f"--format {','.join(FORMATS)}")


def write_files(
    out_dir: Path, contents: Sequence[tuple[Path, bytes]], pictures: Sequence[tuple[Path, bytes]]
) -> tuple[Path, ...]:
    """Each whole or not at all, older pictures of ours removed; the paths. Raises StoreError."""
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
        _clear_old_pictures(out_dir / FIGURES, {path.name for path, _ in pictures})
        if pictures:
            (out_dir / FIGURES).mkdir(exist_ok=True)
        for path, content in [*pictures, *contents]:
            write_whole(path, content)
    except OSError as error:
        raise StoreError(f"{out_dir}: the report cannot be written: {error.strerror}", hint="--out FOLDER") from error
    return tuple(path for path, _ in [*contents, *pictures])


def _render(name: str, scene: Scene, *, all_answers: bool) -> str:
    if name == "html":
        return render_html(scene, all_answers=all_answers)
    render = {"md": render_markdown, "csv": render_csv, "json": render_json}[name]
    return render(scene.summary, scene.decision)


def picture_files(pictures: Sequence[Picture], folder: Path, *, png: bool) -> list[tuple[Path, bytes]]:
    """The pictures as SVG files, with `png` also as PNG. Raises BadInput where a PNG cannot be made."""
    style = file_style()
    files = [(picture.name, picture.file(style)) for picture in pictures]
    found = [(folder / f"{name}.svg", svg.encode("utf-8")) for name, svg in files]
    if png and files:
        font = find_font()
        found += [(folder / f"{name}.png", svg_to_png(svg, font)) for name, svg in files]
    return found


def _clear_old_pictures(folder: Path, kept: set[str]) -> None:
    """Remove what an earlier report drew here; files that are not ours stay."""
    if not folder.is_dir():
        return
    for path in sorted(folder.glob("*.svg")):
        with path.open("rb") as file:
            is_ours = file.read(len(_OURS)) == _OURS.encode()
        if is_ours:
            for old in (path, path.with_suffix(".png")):
                if old.name not in kept:
                    old.unlink(missing_ok=True)
