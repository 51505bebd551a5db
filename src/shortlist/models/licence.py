"""What a licence allows, coarsely: its class by a short map of our own. Not legal advice.

Tags are SPDX identifiers (https://spdx.org/licenses/) and those of the Hugging Face Hub
(https://huggingface.co/docs/hub/repositories-licenses), which are not SPDX; each class follows from the licence's own
text. Of an expression, AND takes the strictest and OR the freest. What is not in the map is `unknown`, and that means
review. A licence is never guessed from a model's family: docs/decisions/0012.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from shortlist.models.spdx import HUB_TAGS, fold, plain_tag
from shortlist.records import ModelCard, NeedVerdict

LicenceClass = Literal[
    "permissive", "attribution", "community-conditional", "use-restricted", "unknown", "non-commercial"
]
Action = Literal["allow", "review", "refuse"]
STRICTNESS: tuple[LicenceClass, ...] = (
    "permissive",
    "attribution",
    "community-conditional",
    "use-restricted",
    "unknown",
    "non-commercial",
)
"""From free to strict. Unknown stands above what can be read, and under what forbids a product outright."""

_TAGS: Mapping[LicenceClass, tuple[str, ...]] = {
    # Use for anything; keep the notice.
    "permissive": (
        "apache-2.0", "mit", "mit-0", "0bsd", "bsd", "bsd-2-clause", "bsd-3-clause", "bsd-3-clause-clear", "isc",
        "zlib", "bsl-1.0", "unlicense", "cc0-1.0", "wtfpl", "ncsa", "postgresql", "afl-3.0", "ecl-2.0", "ms-pl",
        "cdla-permissive-1.0", "cdla-permissive-2.0", "pddl", "pddl-1.0",
    ),
    # Name the author where the work is shown, or share changes alike.
    "attribution": (
        "cc-by-2.0", "cc-by-2.5", "cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0", "odc-by", "odc-by-1.0",
        "odbl", "odbl-1.0", "cdla-sharing-1.0", "gpl-2.0", "gpl-2.0-only", "gpl-2.0-or-later", "gpl-3.0",
        "gpl-3.0-only", "gpl-3.0-or-later", "lgpl-2.1", "lgpl-2.1-only", "lgpl-3.0", "lgpl-3.0-only", "agpl-3.0",
        "agpl-3.0-only", "agpl-3.0-or-later", "mpl-2.0", "epl-1.0", "epl-2.0", "eupl-1.1", "eupl-1.2", "osl-3.0",
        "artistic-2.0",
    ),
    # Free under conditions on who you are: users per month, revenue, naming.
    "community-conditional": (
        "llama2", "llama3", "llama3.1", "llama3.2", "llama3.3", "llama4", "llama-2", "llama-3", "falcon-llm",
        "tongyi-qianwen", "qwen", "stabilityai-ai-community", "stabilityai-community", "lfm1.0", "hyperclovax-seed",
    ),
    # Free but for a list of uses that binds your users too.
    "use-restricted": (
        "gemma", "openrail", "openrail++", "creativeml-openrail-m", "bigscience-openrail-m", "bigcode-openrail-m",
        "bigscience-bloom-rail-1.0", "deepfloyd-if-license", "deepseek", "deepseek-license", "grok2-community",
    ),
    # No product: research, private or non-commercial use only.
    "non-commercial": (
        "cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-2.0",
        "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0", "intel-research", "fair-noncommercial-research-license",
        "apple-amlr", "apple-ascl", "qwen-research", "mrl", "mnpl", "llama", "llama1", "open-mdw-nc", "h-research",
    ),
}  # fmt: skip
_CLASS_OF: dict[str, LicenceClass] = {tag: name for name, tags in _TAGS.items() for tag in tags}
for _tag, _spdx in HUB_TAGS.items():  # what a tag is translated into is of the tag's class
    if _tag in _CLASS_OF:
        _CLASS_OF.setdefault(plain_tag(_spdx), _CLASS_OF[_tag])
    elif plain_tag(_spdx) in _CLASS_OF:
        _CLASS_OF[_tag] = _CLASS_OF[plain_tag(_spdx)]
_CLASS_OF["licenseref-scancode-gemma-tou-2024-04-01"] = _CLASS_OF["gemma"]
_CLASS_OF["licenseref-scancode-llama-4-cla-2025"] = _CLASS_OF["llama4"]
_CLASS_OF["licenseref-scancode-llama-license-2023"] = _CLASS_OF["llama1"]
_CLASS_OF["licenseref-scancode-stability-ai-community-2024"] = _CLASS_OF["stabilityai-ai-community"]
_CLASS_OF["licenseref-scancode-stability-ai-nc-2023-12-06"] = "non-commercial"


@dataclass(frozen=True, slots=True)
class LicenceFinding:
    """A class, the licence that decided it, whose it is and where that was read.

    `action` is what a policy says of it; None where there is none.
    """

    licence_class: LicenceClass
    licence: str | None
    of: str
    source: str
    note: str = ""
    action: Action | None = None


def class_of_tag(tag: str | None) -> LicenceClass:
    """The class of an SPDX identifier, a Hub tag, or an SPDX expression; `unknown` for what the map does not hold."""
    if not tag:
        return "unknown"
    plain = plain_tag(tag)
    known = _CLASS_OF.get(plain) or _CLASS_OF.get(plain.removesuffix("-license"))
    if known is not None or not any(f" {word} " in f" {tag.upper()} " for word in ("AND", "OR", "WITH")):
        return known or "unknown"
    try:
        return fold(tag, class_of_tag, _strictest, _freest)
    except ValueError:
        return "unknown"


def _strictest(classes: list[LicenceClass]) -> LicenceClass:
    return max(classes, key=STRICTNESS.index)


def _freest(classes: list[LicenceClass]) -> LicenceClass:
    return min(classes, key=STRICTNESS.index)


def find_licence(card: ModelCard | None, bases: Iterable[ModelCard] = ()) -> LicenceFinding:
    """The strictest licence of a model and the models it was made from, by its card and by other cards given.

    A base model that neither the card's own chain nor another card tells the licence of leaves it unknown.
    """
    if card is None:
        return LicenceFinding("unknown", None, "", "", "no model card: review the licence")
    cards = {one.alias: one for one in (card, *bases)}
    parents = {base.name: base for one in cards.values() for base in one.bases}
    found = [_own(one) for one in cards.values()]
    found += [
        _finding(base.licence, base.name, base.source or "card") for base in parents.values() if base.name not in cards
    ]
    found += [
        LicenceFinding("unknown", None, one.base_model, "", f"the licence of its base {one.base_model} is not known")
        for one in cards.values()
        if one.base_model is not None and one.base_model not in cards and one.base_model not in parents
    ]
    return max(found, key=lambda finding: STRICTNESS.index(finding.licence_class))


def chain(card: ModelCard) -> tuple[LicenceFinding, ...]:
    """The model's own licence, then its parents', nearest first, each with its class."""
    return (_own(card), *(_finding(base.licence, base.name, base.source or "card") for base in card.bases))


def _own(card: ModelCard) -> LicenceFinding:
    return _finding(card.licence, card.alias, card.sources.get("licence", "card"))


def _finding(licence: str | None, of: str, source: str) -> LicenceFinding:
    found = class_of_tag(licence)
    note = ""
    if found == "unknown":
        note = f"the licence {licence!r} is in no class: review it" if licence else "no licence is named: review it"
    return LicenceFinding(found, licence, of, source, note)


def commercial_use(finding: LicenceFinding) -> NeedVerdict:
    """`licence=commercial`: permissive and attribution pass, non-commercial fails, for the rest somebody must read."""
    if finding.licence_class in ("permissive", "attribution"):
        return "pass"
    return "fail" if finding.licence_class == "non-commercial" else "cannot tell"
