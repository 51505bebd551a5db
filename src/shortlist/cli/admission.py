"""Who may be measured: the licence policy and this host's memory, asked of each model by name before its file is."""

from collections.abc import Callable

from shortlist.clock import iso, wall_ns
from shortlist.models.catalogue import Found, Library
from shortlist.models.licence import find_licence
from shortlist.models.listing import Listing
from shortlist.settings import Settings


def admission(
    settings: Settings, listing: Listing | None, *, accept_licence: bool, what: str = "bench"
) -> tuple[Library, Callable[[Found], None]]:
    """The library that names are looked up in, and the test that each model must pass.

    The test raises LicenceRefused or DoesNotFit. With `accept_licence`, what a policy wants read counts as read, and
    that is kept.
    """
    from shortlist.cli.model_host import host_here, library_here
    from shortlist.engines.asking import checked_kv_type
    from shortlist.models.catalogue import overlay
    from shortlist.models.fit import require_fit
    from shortlist.models.policy import accept, check
    from shortlist.models.refs import local_path
    from shortlist.models.rows import fit_of

    library = library_here(settings)
    if listing is not None:
        library = Library((library.cards | overlay(library.cards, listing, "models.json")).values())
    host = host_here(settings, kv_type=checked_kv_type(settings.kv_type or "f16"), parallel=settings.concurrency)

    def admit(found: Found) -> None:
        if accept_licence and host.policy.action(found.card, find_licence(found.card)) == "review":
            accept(settings.home, [found.card], iso(wall_ns()))
        else:
            check(host.policy, found.card, what=what)
        require_fit(found, fit_of(found, local_path(found), host), host.room, library)

    return library, admit
