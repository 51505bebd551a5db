"""Colours and weights of the pictures: variables for the page, plain colours for files that stand alone."""

import re

LIGHT = {
    "paper": "#ffffff",
    "ink": "#1b1f24",
    "soft": "#57606a",
    "grid": "#d8dee4",
    "band": "#e4e9ee",
    "hatch": "#9aa4ae",
    "accent": "#0b5cad",
    "tint": "#d3e3f4",
    "ghost": "#b3bcc5",
}
DARK = {
    "paper": "#11161c",
    "ink": "#e6edf3",
    "soft": "#a3aeb9",
    "grid": "#2d343c",
    "band": "#26303a",
    "hatch": "#5e6a76",
    "accent": "#7cb7ff",
    "tint": "#1d3b5c",
    "ghost": "#4c5864",
}

FONTS = '"DejaVu Sans",Verdana,system-ui,sans-serif'

_RULES = f"""
.picture text{{font:12px {FONTS};fill:var(--ink)}}
.picture .note{{font-size:11px;fill:var(--soft)}}
.picture .strong{{font-weight:700;fill:var(--ink)}}
.picture .accent{{font-weight:700;fill:var(--accent)}}
.picture .halo{{paint-order:stroke;stroke:var(--paper);stroke-width:3px;stroke-linejoin:round}}
.picture path{{fill:none;stroke:var(--ink);stroke-width:1}}
.picture defs path{{stroke:inherit}}
.picture .hatch{{stroke:var(--hatch)}}
.picture .paper{{fill:var(--paper)}}
.picture .grid{{stroke:var(--grid)}}
.picture .axis,.picture .lead{{stroke:var(--soft)}}
.picture .lead{{stroke-width:.8}}
.picture .need{{stroke-width:1.7;stroke-dasharray:5 3}}
.picture .ci{{stroke-width:2.4}}
.picture .cap{{stroke-width:1.4}}
.picture .point{{fill:var(--ink);stroke:var(--paper);stroke-width:1.3}}
.picture .pick{{fill:var(--accent)}}
.picture .band{{fill:var(--band)}}
.picture .step{{stroke-width:1.8}}
.picture .steppick{{stroke:var(--accent);stroke-width:2.2}}
.picture .ghost{{fill:none;stroke:var(--ghost)}}
.picture .faint{{stroke:var(--soft);stroke-width:1.5;stroke-dasharray:1.5 2}}
.picture .dots{{stroke-width:3.4;stroke-linecap:round}}
.picture .dotspick{{stroke:var(--accent);stroke-width:3.4;stroke-linecap:round}}
.picture .hollow{{fill:var(--paper);stroke:var(--ink);stroke-width:1.4}}
.picture .seg{{fill:var(--band);stroke:var(--paper);stroke-width:2}}
.picture .segpick{{fill:var(--tint);stroke:var(--paper);stroke-width:2}}
.picture .now{{stroke-width:2.4}}
.picture .cell{{fill:none;stroke:var(--grid)}}
.picture .fill{{fill:var(--soft);stroke:none}}
.picture .fillpick{{fill:var(--accent)}}
.picture .cross{{stroke-width:1.7}}
"""

PAGE_RULES = "".join(_RULES.split("\n"))


def file_style() -> str:
    """The rules with light colours in them: a file must look right in any viewer, and few know variables."""
    return re.sub(r"var\(--(\w+)\)", lambda found: LIGHT[found[1]], PAGE_RULES)
