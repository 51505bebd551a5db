"""Licences as SPDX expressions: the Hub's tags translated, expressions parsed by license-expression.

A tag of the Hub is not SPDX (https://huggingface.co/docs/hub/repositories-licenses): what SPDX or ScanCode has a name
for gets that, the rest a `LicenseRef-` of ours. A tag that does not say which edition of a text applies (`gemma`) gets
ours too, for ScanCode's names are of one edition each.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

T = TypeVar("T")

HUB_TAGS: Mapping[str, str] = {
    "apache-2.0": "Apache-2.0",
    "apache": "Apache-2.0",
    "mit": "MIT",
    "bsd": "BSD-3-Clause",
    "bsd-2-clause": "BSD-2-Clause",
    "bsd-3-clause": "BSD-3-Clause",
    "bsd-3-clause-clear": "BSD-3-Clause-Clear",
    "cc": "LicenseRef-Creative-Commons-unversioned",
    "cc0-1.0": "CC0-1.0",
    "cc-by-2.0": "CC-BY-2.0",
    "cc-by-2.5": "CC-BY-2.5",
    "cc-by-3.0": "CC-BY-3.0",
    "cc-by-4.0": "CC-BY-4.0",
    "cc-by-sa-3.0": "CC-BY-SA-3.0",
    "cc-by-sa-4.0": "CC-BY-SA-4.0",
    "cc-by-nc-2.0": "CC-BY-NC-2.0",
    "cc-by-nc-3.0": "CC-BY-NC-3.0",
    "cc-by-nc-4.0": "CC-BY-NC-4.0",
    "cc-by-nd-4.0": "CC-BY-ND-4.0",
    "cc-by-nc-nd-3.0": "CC-BY-NC-ND-3.0",
    "cc-by-nc-nd-4.0": "CC-BY-NC-ND-4.0",
    "cc-by-nc-sa-2.0": "CC-BY-NC-SA-2.0",
    "cc-by-nc-sa-3.0": "CC-BY-NC-SA-3.0",
    "cc-by-nc-sa-4.0": "CC-BY-NC-SA-4.0",
    "cdla-sharing-1.0": "CDLA-Sharing-1.0",
    "cdla-permissive-1.0": "CDLA-Permissive-1.0",
    "cdla-permissive-2.0": "CDLA-Permissive-2.0",
    "afl-3.0": "AFL-3.0",
    "artistic-2.0": "Artistic-2.0",
    "bsl-1.0": "BSL-1.0",
    "ecl-2.0": "ECL-2.0",
    "epl-1.0": "EPL-1.0",
    "epl-2.0": "EPL-2.0",
    "eupl-1.1": "EUPL-1.1",
    "eupl-1.2": "EUPL-1.2",
    "agpl-3.0": "AGPL-3.0-only",
    "gpl": "LicenseRef-GPL-unversioned",
    "gpl-2.0": "GPL-2.0-only",
    "gpl-3.0": "GPL-3.0-only",
    "lgpl": "LicenseRef-LGPL-unversioned",
    "lgpl-2.1": "LGPL-2.1-only",
    "lgpl-3.0": "LGPL-3.0-only",
    "isc": "ISC",
    "mpl-2.0": "MPL-2.0",
    "ms-pl": "MS-PL",
    "ncsa": "NCSA",
    "odbl": "ODbL-1.0",
    "odc-by": "ODC-By-1.0",
    "osl-3.0": "OSL-3.0",
    "pddl": "PDDL-1.0",
    "postgresql": "PostgreSQL",
    "unlicense": "Unlicense",
    "wtfpl": "WTFPL",
    "zlib": "Zlib",
    "llama2": "LicenseRef-scancode-llama-2-license-2023",
    "llama3": "LicenseRef-Llama-3-Community",
    "llama3.1": "LicenseRef-scancode-llama-3.1-license-2024",
    "llama3.2": "LicenseRef-scancode-llama-3.2-license-2024",
    "llama3.3": "LicenseRef-scancode-llama-3.3-license-2024",
    "llama4": "LicenseRef-scancode-llama-4-license-2025",
    "gemma": "LicenseRef-Gemma",
    "qwen": "LicenseRef-Qwen",
    "qwen-research": "LicenseRef-Qwen-Research",
    "tongyi-qianwen": "LicenseRef-Tongyi-Qianwen",
    "deepseek": "LicenseRef-scancode-deepseek-la-1.0",
    "openrail": "LicenseRef-OpenRAIL",
    "openrail++": "LicenseRef-OpenRAIL-PlusPlus",
    "creativeml-openrail-m": "LicenseRef-CreativeML-OpenRAIL-M",
    "bigscience-openrail-m": "LicenseRef-scancode-bigscience-open-rail-m",
    "bigscience-bloom-rail-1.0": "LicenseRef-scancode-bigscience-rail-1.0",
    "bigcode-openrail-m": "LicenseRef-scancode-bigcode-open-rail-m-v1",
    "falcon-llm": "LicenseRef-Falcon-LLM",
    "intel-research": "LicenseRef-Intel-Research",
    "fair-noncommercial-research-license": "LicenseRef-FAIR-Noncommercial-Research",
    "apple-amlr": "LicenseRef-Apple-AMLR",
    "mrl": "LicenseRef-Mistral-Research",
    "mnpl": "LicenseRef-Mistral-Non-Production",
    "lfm1.0": "LicenseRef-LFM-1.0",
}
"""`other`, `unknown` and `unlicense`d tags are missing on purpose: they say nothing about what is allowed."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A licence as one writes it in SPDX, or why it is none. `identifiers`: the licences in it, each once."""

    text: str
    identifiers: tuple[str, ...]
    problem: str | None = None


def plain_tag(text: str) -> str:
    """A tag as the Hub writes it: lower case, dashes."""
    return re.sub(r"[\s_]+", "-", text.strip().lower().removeprefix("license:"))


def to_spdx(text: str) -> Expression:
    """An SPDX expression for a Hub tag, an SPDX identifier in any case, or an expression.

    `problem` is set for what is none of them; the text then stands as it was.
    """
    tag = plain_tag(text)
    if (known := HUB_TAGS.get(tag) or HUB_TAGS.get(tag.removesuffix("-license"))) is not None:
        return Expression(known, (known,))
    if re.fullmatch(r"LicenseRef-[A-Za-z0-9.-]+", text.strip()):
        return Expression(text.strip(), (text.strip(),))
    try:
        parsed = _parse(text)
    except ValueError as error:
        return Expression(text, (), str(error))
    return Expression(parsed.render(), tuple(_licensing().license_keys(parsed)))


def fold(text: str, leaf: Callable[[str], T], both: Callable[[list[T]], T], either: Callable[[list[T]], T]) -> T:
    """An expression's value: `leaf` for a licence, `both` over AND, `either` over OR; an exception changes nothing.

    Raises ValueError for what is no expression.
    """

    def value(node: Any) -> T:
        kind = type(node).__name__
        if kind in ("AND", "OR"):
            return (both if kind == "AND" else either)([value(child) for child in node.args])
        return leaf(node.license_symbol.key if kind == "LicenseWithExceptionSymbol" else node.key)

    return value(_parse(text))


@cache
def _licensing() -> Any:
    import license_expression

    return license_expression.get_spdx_licensing()


def _parse(text: str) -> Any:
    """Raises ValueError: nothing in it, not an expression, or a licence that SPDX does not know."""
    import license_expression

    try:
        parsed = _licensing().parse(text)
    except license_expression.ExpressionError as error:
        raise ValueError(f"not an SPDX expression: {error}") from None
    if parsed is None:
        raise ValueError("no licence is named")
    unknown = [key for key in _licensing().unknown_license_keys(parsed) if not key.startswith("LicenseRef-")]
    if unknown:
        raise ValueError(f"not known to SPDX: {', '.join(unknown)}; write LicenseRef-NAME for a licence without a name")
    return parsed
