"""What `shortlist tune --list` and `--undo` do: show the profiles that are kept, and take the newest away."""

from shortlist import profiles
from shortlist.cli.output import emit, emit_json
from shortlist.profiles import Profile
from shortlist.settings import Settings


def show_profiles(settings: Settings, *, as_json: bool) -> int:
    """Every profile, newest first; the exit code."""
    kept = profiles.load_profiles(settings.home)
    if as_json:
        emit_json("shortlist-profiles", kept)
        return 0
    if not kept:
        emit("no profile is kept; shortlist tune MODEL makes one")
    for one in reversed(kept):
        where = "" if one.host == profiles.this_host() else "  (another machine)"
        emit(f"{one.at[:10]}  {one.model}  {told(one)}{where}")
    return 0


def told(one: Profile) -> str:
    """`llamacpp threads=1, for latency, +12.0 %, 9.1 to 15.0`."""
    from shortlist.report.numbers import ratio

    changes = ", ".join(one.changes) or "its defaults"
    return f"{one.engine} {changes}, for {one.objective}" + (f", {ratio(one.ratio)}" if one.ratio else "")


def undo_profile(settings: Settings, model: str, *, as_json: bool) -> int:
    """Take the newest profile of a model on this host away; the exit code."""
    from shortlist.cli.model_host import library_here
    from shortlist.models.refs import resolve

    here = resolve(model, library_here(settings))
    gone, now = profiles.undo(settings.home, here.variant)
    if as_json:
        emit_json("shortlist-profile-undone", {"removed": gone, "now": now})
        return 0
    if gone is None:
        emit(f"{here.label} has no profile on this host: it is opened with the defaults")
        return 0
    emit(f"taken away: {told(gone)} ({gone.at[:10]})")
    emit(f"{here.label} is opened with {'the defaults' if now is None or not now.changes else told(now)} again")
    return 0
