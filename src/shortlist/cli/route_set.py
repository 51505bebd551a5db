"""`shortlist route set | list | remove`: routes of one's own."""

from typing import TYPE_CHECKING

import click

from shortlist import settings as settings_file
from shortlist.cli.output import emit, emit_json
from shortlist.errors import BadInput, UnknownName

if TYPE_CHECKING:
    from shortlist.records import Candidate, Choice, Run
    from shortlist.serve.routes import KeptRoute, Member
    from shortlist.settings import Settings

_EXITS = {"none_qualifies": 3, "not_enough_evidence": 4}


@click.command(name="set")
@click.argument("name")
@click.argument("models", nargs=-1, metavar="[MODEL]...")
@click.option("--from-choice", "run", metavar="RUN", help="The pick of this run's newest choice, then its equals.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(*, name: str, models: tuple[str, ...], run: str | None, as_json: bool) -> int:
    """Make NAME a model that clients can ask for: the pick of a run's choice, or these models in this order.

    A choice that names no pick is no route: exit code 3 when no candidate meets the needs, 4 without enough evidence.
    """
    from shortlist.serve.routes import check_name, load_routes, save_routes

    settings = settings_file.load()
    if bool(models) == (run is not None):
        raise BadInput(
            "a route comes from a choice or from named models", hint=f"shortlist route set {name} --from-choice last"
        )
    _check_free(check_name(name), settings)
    if run is not None:
        route, code = _from_choice(run, settings)
        if route is None:
            return code
    else:
        route = _from_names(models, settings)
    save_routes(settings.home, {**load_routes(settings.home), name: route})
    if as_json:
        emit_json("shortlist-route-set", {"name": name, **_row(route)})
    else:
        emit(f"{name}: {_words(route)}")
    return 0


@click.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(*, as_json: bool) -> None:
    """The routes that are set."""
    from shortlist.serve.routes import load_routes

    routes = load_routes(settings_file.load().home)
    if as_json:
        emit_json("shortlist-routes", [{"name": name, **_row(route)} for name, route in sorted(routes.items())])
        return
    for name, route in sorted(routes.items()):
        emit(f"{name}: {_words(route)}")
    if not routes:
        emit("no route is set; auto and auto:TAG always work")


@click.command(name="remove")
@click.argument("name")
def remove(*, name: str) -> None:
    """Forget a route; its models stay."""
    from shortlist.serve.routes import load_routes, save_routes

    home = settings_file.load().home
    routes = load_routes(home)
    if name not in routes:
        raise UnknownName("route", name, routes)
    save_routes(home, {key: route for key, route in routes.items() if key != name})
    emit(f"{name} is no route any more")


def _check_free(name: str, settings: "Settings") -> None:
    """Raise BadInput for a name that a model has: requests for the model would go elsewhere."""
    from pathlib import Path

    from shortlist.models.catalogue import load_library
    from shortlist.models.names import parse_name

    if load_library(settings.home, Path.cwd(), settings.listing).card(parse_name(name)) is not None:
        raise BadInput(f"{name} is a model's name", hint="choose another name for the route")


def _from_names(models: tuple[str, ...], settings: "Settings") -> "KeptRoute":
    from shortlist.clock import iso, wall_ns
    from shortlist.serve.routes import KeptRoute

    return KeptRoute([_member(model, settings) for model in models], iso(wall_ns()))


def _member(model: str, settings: "Settings") -> "Member":
    """A model that the service can serve, by the name that it lists. Raises as finding it does."""
    from pathlib import Path

    from shortlist.serve.opening import Openings
    from shortlist.serve.routes import Member

    opening = Openings(settings, Path.cwd()).find(model)
    files = opening.spec.variant.files
    return Member(opening.label, files[0].sha256 if files else None)


def _from_choice(ref: str, settings: "Settings") -> "tuple[KeptRoute | None, int]":
    """The route of a run's newest choice; None and an exit code where it picked nothing."""
    from shortlist.cli.runs import open_store
    from shortlist.clock import iso, wall_ns
    from shortlist.serve.routes import KeptRoute

    with open_store() as store:
        run = store.load_run(store.resolve(ref))
    if not run.choices:
        raise BadInput(f"run {run.info.short_id} has no choice", hint=f"shortlist choose {run.info.short_id}")
    choice = run.choices[-1]
    if choice.pick is None:
        emit(f"run {run.info.short_id} picks nothing: {choice.verdict.replace('_', ' ')}")
        return None, _EXITS.get(choice.verdict, 1)
    members = [_measured(candidate, settings) for candidate in _picked(run, choice)]
    return KeptRoute(members, iso(wall_ns()), run.info.short_id, choice.verdict), 0


def _picked(run: "Run", choice: "Choice") -> "list[Candidate]":
    """The pick, then what was equivalent to it."""
    by_id = {candidate.id: candidate for candidate in run.info.plan.candidates}
    names = [choice.pick, *(name for name in choice.equivalents if name != choice.pick)]
    return [by_id[name] for name in names if name in by_id]


def _measured(candidate: "Candidate", settings: "Settings") -> "Member":
    """The model of a candidate, bound to the file that was measured."""
    from shortlist.models.names import parse_name
    from shortlist.serve.routes import Member

    if parse_name(candidate.model).kind == "path":
        raise BadInput(
            f"{candidate.label} was measured as a path, and the service serves names",
            hint=f"shortlist model add NAME {candidate.model}; bench and choose by that name",
        )
    member = _member(candidate.model, settings)
    files = candidate.variant.files
    sha256 = files[0].sha256 if files else None
    if sha256 and member.sha256 and sha256 != member.sha256:
        raise BadInput(
            f"{candidate.model} is another file now than the one that was measured",
            hint=f"shortlist bench {candidate.model}, then choose again",
        )
    return Member(member.model, sha256 or member.sha256)


def _row(route: "KeptRoute") -> dict[str, object]:
    models = [{"model": member.model, "sha256": member.sha256} for member in route.models]
    return {"models": models, "run": route.run, "verdict": route.verdict, "set_at": route.set_at}


def _words(route: "KeptRoute") -> str:
    first, *others = [member.model for member in route.models]
    then = f", then {', '.join(others)}" if others else ""
    verdict = (route.verdict or "").replace("_", " ")
    return f"{first}{then}" + (f" (run {route.run}: {verdict})" if route.run else "")
