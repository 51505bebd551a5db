"""Render a report of invented numbers, to look at: `python tools/render_report.py OUT [--twins]`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from report.scenes import MODELS, TWINS, Size, big_scene
from shortlist.report.files import write_report


def main() -> None:
    """Write the report and print where it is."""
    out = Path(sys.argv[1])
    is_twins = "--twins" in sys.argv
    scene = big_scene(TWINS if is_twins else MODELS, Size(is_same=is_twins))
    for path in write_report(scene.summary, out, decision=scene.decision, series=scene.series, png=True):
        print(path)


if __name__ == "__main__":
    main()
