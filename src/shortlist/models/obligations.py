"""What a licence asks of those who ship a model under it, as a checklist. Our summary, not legal advice."""

from collections.abc import Mapping, Sequence

from shortlist.models.licence import LicenceClass, class_of_tag
from shortlist.models.spdx import to_spdx

_LLAMA = (
    "give the licence's text along, and its NOTICE line",
    'show "Built with Llama" where your product shows itself',
    'begin the name of a model that you derive with "Llama"',
    "keep to Meta's acceptable use policy, and pass it on",
    "above 700 million users a month: ask Meta for a licence first",
)
_CC_BY = ("name the author and the licence, with a link to it", "say what you changed")
_BY_LICENCE: Mapping[str, Sequence[str]] = {
    "apache-2.0": (
        "give the licence's text along, and the NOTICE file where there is one",
        "say in changed files that you changed them",
        "use no trademark of theirs beyond naming the origin",
    ),
    "mit": ("give the copyright line and the licence's text along",),
    "llama": _LLAMA,
    "gemma": (
        "put the use restrictions of Google's terms into your own agreement with users",
        "give the terms along, with the Notice file that they prescribe",
        "say in changed files that you changed them",
    ),
    "qwen-research": (
        "no commercial use: research and evaluation only; ask Alibaba Cloud for another licence",
        'show "Built with Qwen" or "Improved using Qwen" where you train or derive another model with it',
        "give the licence's text along, and its NOTICE line",
    ),
    "cc-by-sa": (*_CC_BY, "share what you derive under the same licence"),
    "cc-by-nc": (*_CC_BY, "no commercial use"),
    "cc-by": _CC_BY,
}
_BY_CLASS: Mapping[LicenceClass, Sequence[str]] = {
    "permissive": ("keep the copyright line and the licence's text with what you ship",),
    "attribution": ("name the origin; read whether what you derive must be shared alike",),
    "community-conditional": ("read the conditions on who may use it: users a month, revenue, naming",),
    "use-restricted": ("pass the list of forbidden uses on to your users, in your own agreement",),
    "unknown": ("read the licence, and have somebody decide: nothing is known of what it asks",),
    "non-commercial": ("no product: research, evaluation or private use only",),
}


def obligations(licence: str | None) -> tuple[str, ...]:
    """What to do before shipping, one thing a line; by the licence where we know its text, else by its class."""
    spelled = to_spdx(licence) if licence else None
    listed: dict[str, None] = {}
    for identifier in (spelled.identifiers if spelled else ()) or (licence or "",):
        listed |= dict.fromkeys(_of(identifier))
    return tuple(listed)


def _of(identifier: str) -> Sequence[str]:
    low = identifier.lower().removeprefix("licenseref-").removeprefix("scancode-")
    for start, tasks in _BY_LICENCE.items():
        if low == start or low.startswith(f"{start}-"):
            return tasks
    return _BY_CLASS[class_of_tag(identifier)]
