"""A team's rule on licences: which class is allowed, which somebody must have read, which is refused.

    [classes]
    permissive = "allow"
    non-commercial = "refuse"          # classes that are not named: review

    [licences]                         # by SPDX identifier; goes before the class
    "LicenseRef-Gemma" = "allow"

    [models]                           # by alias; goes before both
    "llama-3.2-1b" = "allow"

Without such a file nothing is refused, and the class is printed. `review` is satisfied by `--accept-licence`, which is
kept with model, licence and class in `accepted-licences.jsonl`: when one of them changes, it is asked again.
Seam: `check` is called at list, bench and choose, and is for download, run and the service to call before they act.
"""

import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from shortlist.errors import BadInput, InvalidFile, LicenceRefused, UnknownName
from shortlist.files import convert
from shortlist.models.licence import STRICTNESS, Action, LicenceFinding, find_licence
from shortlist.models.spdx import to_spdx
from shortlist.records import ModelCard

ACTIONS: tuple[Action, ...] = ("allow", "review", "refuse")
ACCEPTED_NAME = "accepted-licences.jsonl"


class PolicyFile(msgspec.Struct, forbid_unknown_fields=True):
    """The policy as it is written."""

    version: int = 1
    classes: dict[str, str] = {}
    licences: dict[str, str] = {}
    models: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Policy:
    """What applies here: the file's rules, and what was accepted by hand. `origin` None: there is no policy."""

    rules: PolicyFile = field(default_factory=PolicyFile)
    origin: Path | None = None
    accepted: frozenset[tuple[str, str, str]] = frozenset()

    def action(self, card: ModelCard | None, finding: LicenceFinding) -> Action:
        """What to do with a model whose strictest licence was found to be this."""
        if self.origin is None:
            return "allow"
        alias = card.alias if card else ""
        licence = to_spdx(finding.licence).text if finding.licence else ""
        by_class = self.rules.classes.get(finding.licence_class, "review")
        told = self.rules.models.get(alias) or self.rules.licences.get(licence) or by_class
        action = next(one for one in ACTIONS if one == told)
        return "allow" if action == "review" and _key(card, finding) in self.accepted else action

    def actions(self, cards: Mapping[str, ModelCard | None]) -> dict[str, Action] | None:
        """What to do with each of these; None where there is no policy."""
        if self.origin is None:
            return None
        return {name: self.action(card, find_licence(card)) for name, card in cards.items()}


def load_policy(path: Path | None, home: Path | None = None) -> Policy:
    """The policy of a file with what was accepted in `home`; None: no policy. Raises InvalidFile with the place."""
    if path is None:
        return Policy()
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidFile(path, "", f"cannot be read as TOML: {error}", hint="see docs/models.md") from None
    rules = convert(content, PolicyFile, path)
    if rules.version != 1:
        raise InvalidFile(path, "$.version", f"expected 1, got {rules.version}")
    for table, known in (("classes", STRICTNESS), ("licences", None), ("models", None)):
        for name, action in getattr(rules, table).items():
            if known is not None and name not in known:
                unknown = UnknownName("licence class", name, known)
                raise InvalidFile(path, f"$.{table}.{name}", unknown.message, hint=unknown.hint)
            if action not in ACTIONS:
                raise InvalidFile(path, f"$.{table}.{name}", f"expected {', '.join(ACTIONS)}, got {action!r}")
    for licence in rules.licences:
        if (problem := to_spdx(licence).problem) is not None:
            raise InvalidFile(path, f"$.licences.{licence}", problem)
    return Policy(rules, path, _read_accepted(home))


def check(policy: Policy, card: ModelCard | None, *, what: str) -> LicenceFinding:
    """The model's licence, if the policy lets it pass. Raises LicenceRefused, which says what to do."""
    finding = find_licence(card)
    action = policy.action(card, finding)
    alias = card.alias if card else "this model"
    whose = f", of its base {finding.of}" if card and finding.of not in ("", card.alias) else ""
    told = f"{finding.licence or 'no known licence'} ({finding.licence_class}{whose})"
    if action == "refuse":
        raise LicenceRefused(
            f"{alias}: {what} is refused by {policy.origin}: {told}", hint=f"shortlist model info {alias} --licence"
        )
    if action == "review":
        raise LicenceRefused(
            f"{alias}: its licence must be read before {what}, says {policy.origin}: {told}",
            hint=f"shortlist model info {alias} --licence, then again with --accept-licence",
        )
    return finding


def accept(home: Path, cards: Iterable[ModelCard], at: str) -> None:
    """Keep that somebody has read these models' licences. Raises BadInput where it cannot be written."""
    lines = [json.dumps([*_key(card, find_licence(card)), at]) + "\n" for card in cards]
    path = home / ACCEPTED_NAME
    try:
        home.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.writelines(lines)
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}") from None


def _key(card: ModelCard | None, finding: LicenceFinding) -> tuple[str, str, str]:
    return (card.alias if card else "", finding.licence or "", finding.licence_class)


def _read_accepted(home: Path | None) -> frozenset[tuple[str, str, str]]:
    path = None if home is None else home / ACCEPTED_NAME
    if path is None or not path.is_file():
        return frozenset()
    found = set()
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            alias, licence, licence_class, _ = json.loads(line)
        except ValueError:
            raise InvalidFile(path, f"line {number}", "is not what --accept-licence wrote", hint="delete it") from None
        found.add((alias, licence, licence_class))
    return frozenset(found)
