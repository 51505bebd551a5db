"""The models that are here, as the router looks at them: tags, context, licence, and the digest of the file."""

from collections.abc import Callable

from shortlist.models.catalogue import Found, Library
from shortlist.models.licence import find_licence
from shortlist.models.policy import Policy, load_policy
from shortlist.serve.catalog import here
from shortlist.serve.choosing import Option
from shortlist.settings import Settings


def options_here(library: Callable[[], Library], settings: Settings) -> tuple[tuple[Option, str | None], ...]:
    """What there is now. Reads files: call it on a thread. Raises InvalidFile for a policy that cannot be read."""
    return options(library(), load_policy(settings.licence_policy, settings.home))


def options(library: Library, policy: Policy) -> tuple[tuple[Option, str | None], ...]:
    """Each with the sha256 of its first file, where that is known."""
    return tuple(_option(found, policy) for found, _ in here(library))


def _option(found: Found, policy: Policy) -> tuple[Option, str | None]:
    card, variant = found.card, found.variant
    licence = find_licence(card)
    action = policy.action(card, licence)
    option = Option(
        found.label, card.capabilities, card.context_length, licence.licence or "", licence.licence_class,
        "" if action == "allow" else f"its licence ({licence.licence or 'not known'}): the policy says {action}",
        variant.size_bytes if variant else None,
    )  # fmt: skip
    return option, variant.files[0].sha256 if variant and variant.files else None
