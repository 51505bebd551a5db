"""The page's style sheet: one string, whose digest stands in the page's security policy."""

import base64
import hashlib

from shortlist.report.pictures.style import DARK, LIGHT, PAGE_RULES


def _variables(colours: dict[str, str]) -> str:
    return "".join(f"--{name}:{value};" for name, value in colours.items())


_RULES = """
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,"DejaVu Sans",sans-serif}
main{max-width:1080px;margin:0 auto;padding:1rem 1.25rem 4rem}
h1{font-size:1.6rem;line-height:1.3;margin:.3rem 0 .6rem;text-wrap:pretty;overflow-wrap:anywhere}
h2{font-size:1.25rem;margin:2.6rem 0 .5rem;padding-top:.6rem;border-top:2px solid var(--ink)}
h3{font-size:1rem;margin:1.5rem 0 .4rem;overflow-wrap:anywhere}
h4{font-size:.9rem;margin:0 0 .3rem;overflow-wrap:anywhere}
p{margin:.4rem 0;max-width:46rem;overflow-wrap:anywhere}
li{overflow-wrap:anywhere}
a{color:var(--accent)}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
.skip{position:absolute;left:-999px}
.skip:focus{left:8px;top:8px;background:var(--paper);padding:.5rem;z-index:1}
.about,figcaption,caption,.soft{color:var(--soft)}
.about{overflow-wrap:anywhere}
nav ul{display:flex;flex-wrap:wrap;gap:.2rem 1rem;list-style:none;padding:0;margin:.8rem 0}
.warning{border-left:4px solid var(--ink);padding:.2rem .8rem}
.command{white-space:pre-wrap;overflow-wrap:anywhere;background:var(--band);padding:.5rem .7rem;margin:.3rem 0}
.scroll{overflow-x:auto;margin:.4rem 0}
figure{margin:1.2rem 0}
figcaption{font-size:.9rem;max-width:46rem}
.picture{display:block;width:100%;min-width:640px;height:auto}
table{border-collapse:collapse;font-size:.875rem;font-variant-numeric:tabular-nums}
.wide{width:100%}
caption{text-align:left;padding:.3rem 0}
th,td{padding:.35rem .45rem;border-bottom:1px solid var(--grid);text-align:right;vertical-align:top}
th:first-child,td:first-child,.text{text-align:left}
thead th{border-bottom:1.5px solid var(--ink)}
td small{display:block;color:var(--soft);font-size:.8rem;white-space:nowrap}
.picked th,.picked td{background:var(--tint);font-weight:600}
.picked small{color:var(--ink)}
thead th{vertical-align:bottom}
tbody th{overflow-wrap:anywhere;min-width:9.5rem}
td,.nowrap{white-space:nowrap}
.text{white-space:normal;min-width:8rem;overflow-wrap:anywhere}
summary{cursor:pointer;padding:.3rem 0}
.answers{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,17rem),1fr));gap:.8rem;margin:.5rem 0}
.answer{border:1px solid var(--grid);border-radius:6px;padding:.6rem .8rem;min-width:0}
.answer.picked{border:2px solid var(--accent)}
pre{white-space:pre-wrap;overflow-wrap:anywhere;font:inherit;font-size:.92rem;margin:0 0 .4rem}
.asked{border-left:4px solid var(--grid);padding-left:.8rem;max-height:16rem;overflow:auto;font-size:.92rem}
.answer p{font-size:.8rem;color:var(--soft);margin:0;overflow-wrap:anywhere}
footer{margin-top:3rem;color:var(--soft);font-size:.85rem}
@media print{main{max-width:none;padding:0}nav,.skip{display:none}figure,tr,.answer{break-inside:avoid}
h2,h3{break-after:avoid}.scroll,.asked{overflow:visible;max-height:none}.picture{min-width:0}
details::details-content{content-visibility:visible;display:block}}
"""

PAGE_STYLE = (
    f":root{{color-scheme:light dark;{_variables(LIGHT)}}}"
    f"@media screen and (prefers-color-scheme:dark){{:root{{{_variables(DARK)}}}}}"
    + "".join(_RULES.split("\n"))
    + PAGE_RULES
)


def security_policy(style: str) -> str:
    """Nothing may load or run: no script, no request; of styles only this one."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    parts = ("default-src 'none'", f"style-src 'sha256-{digest}'", "img-src data:", "base-uri 'none'")
    return "; ".join((*parts, "form-action 'none'"))
