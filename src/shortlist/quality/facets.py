"""What an answer must show, checked one by one: a prompt's score is facets passed over all of them.

must_include      one of `any_of` is found (`spellings` tells what counts as equal), or the `regex` is
must_not_include  none of `any_of` is found, nor the `regex`
max_words         at most `value` words. A word is what stands between white space or long dashes and holds a letter or
                  a digit; each Han or Kana character is one, since no space tells words apart there
json_schema       the whole answer, possibly inside one Markdown fence, is JSON that `schema` accepts (2020-12)

A regex is searched, ignoring case, in the NFKC form with white space folded, so `^` and `$` are the answer's ends. It
and the schema run under a time limit. What cannot be decided is an error of that facet: told, and never a pass.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field

from shortlist.quality.limited import Limited, OutOfReach
from shortlist.quality.spellings import contains, fold
from shortlist.records import Facet, Prompt

NULLS = ("empty", "echo")
"""Candidates that no one would ship; a facet set that they pass says nothing."""

_GLYPHS = re.compile(
    "[\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)


@dataclass(frozen=True, slots=True)
class FacetScore:
    """One answer's facets. `value` is 0–1, 0 with a failed critical facet; `errors`: why a facet was not decided."""

    value: float
    parts: Mapping[str, bool]
    critical_failed: tuple[str, ...] = ()
    errors: Mapping[str, str] = field(default_factory=dict)


def score_answer(text: str, prompt: Prompt, limited: Limited | None = None) -> FacetScore:
    """Score an answer by the prompt's facets. `limited` saves the start of a process where many are scored.

    Raises ValueError for a prompt without facets.
    """
    if not prompt.facets:
        raise ValueError(f"prompt {prompt.id!r} has no facets")
    if limited is None:
        with Limited() as own:
            return score_answer(text, prompt, own)
    folded = fold(text)
    parts: dict[str, bool] = {}
    errors: dict[str, str] = {}
    for facet in prompt.facets:
        try:
            parts[facet.id] = _passes(facet, text, folded, limited)
        except (OutOfReach, ValueError) as error:
            parts[facet.id] = False
            errors[facet.id] = str(error)
    failed = tuple(facet.id for facet in prompt.facets if facet.critical and not parts[facet.id])
    value = 0.0 if failed else sum(parts.values()) / len(parts)
    return FacetScore(value, parts, failed, errors)


def null_answers(prompt: Prompt) -> dict[str, str]:
    """What the null candidates answer: nothing, and the prompt itself."""
    return {"empty": "", "echo": "\n\n".join(m.content for m in prompt.messages if m.role == "user")}


def words(text: str) -> int:
    """How many words a text has."""
    count = 0
    for piece in re.split(r"[\s\u2013\u2014\u2015]+", unicodedata.normalize("NFKC", text)):
        glyphs = len(_GLYPHS.findall(piece))
        rest = _GLYPHS.sub("", piece) if glyphs else piece
        count += glyphs + any(character.isalnum() for character in rest)
    return count


def _passes(facet: Facet, text: str, folded: str, limited: Limited) -> bool:
    if facet.kind == "max_words":
        return words(text) <= (facet.value or 0)
    if facet.kind == "json_schema":
        return limited.validate(facet.schema or {}, text)
    found = any(contains(folded, wanted) for wanted in facet.any_of)
    if not found and facet.regex is not None:
        found = limited.search(unicodedata.normalize("NFC", facet.regex), _searched(text))
    return found if facet.kind == "must_include" else not found


def _searched(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).split())
