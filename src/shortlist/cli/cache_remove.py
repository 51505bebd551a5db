"""`shortlist cache remove` and `model remove`: one model's files freed, or an added model's name forgotten."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from shortlist import demo, units
from shortlist import settings as settings_file
from shortlist.cli.cache_prune import agree, go_through
from shortlist.cli.output import emit, emit_json
from shortlist.errors import BadInput, NotDownloaded

if TYPE_CHECKING:
    from shortlist.models.hubcache import CachedRepository
    from shortlist.models.prune import Plan
    from shortlist.models.shelf import Added
    from shortlist.records import Variant
    from shortlist.settings import Settings


@click.command(name="remove")
@click.argument("model")
@click.option("--dry-run", is_flag=True, help="Only show what would go.")
@click.option("--yes", is_flag=True, help="Do it without asking.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(*, model: str, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Free what a model takes, or forget one that `model add` registered.

    MODEL is a name, hf:owner/repo for the whole of a repository, or hf:owner/repo/file. The files of an added model
    stay where they lie; only a copy in our own store is deleted. The cache is shared: other programs lose it too.
    """
    from shortlist.models.shelf import load_added

    settings = settings_file.load()
    added = load_added(settings.home).get(model)
    if added is not None:
        _forget(settings, model, added, dry_run=dry_run, yes=yes, as_json=as_json)
        return
    if model in demo.demo_names():
        raise BadInput(f"{model} ships with Shortlist, and is no download", hint="pip uninstall shortlist removes all")
    notes = ("other programs that share this cache lose it too; what is needed again is downloaded again",)
    go_through(_plan(settings, model), dry_run=dry_run, yes=yes, as_json=as_json, notes=notes)


def _plan(settings: "Settings", model: str) -> "Plan":
    from shortlist.cli.model_host import library_here
    from shortlist.models.cache import hub_cache
    from shortlist.models.hubcache import scan
    from shortlist.models.names import parse_name
    from shortlist.models.prune import plan_files, plan_repository
    from shortlist.models.refs import find

    root, name = hub_cache(), parse_name(model)
    if name.kind == "path":
        raise BadInput(f"{model} is a file of yours: it is not deleted here", hint=f"rm {model}")
    cached = {one.name.lower(): one for one in scan(root)}
    whole = cached.get(name.stem.lower()) if name.kind == "hub" and name.file is None else None
    if whole is not None:
        return plan_repository(root, whole)
    found = find(model, library_here(settings))
    variant = found.variant
    repository = cached.get((variant.repository or "").lower()) if variant is not None else None
    if variant is None or repository is None:
        raise NotDownloaded(f"{model} is not in the cache {root}", hint="shortlist cache list")
    plan = plan_files(root, repository, _files(repository, variant, name.file))
    if not plan.items and not plan.left:
        raise NotDownloaded(f"{model} is not in the cache {root}", hint="shortlist cache list")
    return plan


def _files(repository: "CachedRepository", variant: "Variant", asked: str | None) -> set[str]:
    """Every file of what was named: all parts of a split GGUF, everything in a folder."""
    from shortlist.models.hubcache import stem_of

    names = [asked] if asked else [variant.folder] if variant.folder else [file.path for file in variant.files]
    stems = {stem_of(name.rstrip("/")) for name in names if name}
    return {
        link.name
        for link in repository.links
        if stem_of(link.name) in stems or any(link.name.startswith(f"{stem}/") for stem in stems)
    }


def _forget(settings: "Settings", name: str, added: "Added", *, dry_run: bool, yes: bool, as_json: bool) -> None:
    from shortlist.models.moving import store_folder
    from shortlist.models.prune import Item, Plan, carry_out
    from shortlist.models.shelf import unregister

    path, store = Path(added.path), store_folder(settings)
    is_ours = path.resolve().is_relative_to(store.resolve())
    size = sum(file.size_bytes or 0 for file in added.files) if is_ours else 0
    told = f"{units.size(size)} to be freed: the copy in {store}" if is_ours else f"{path} stays where it is"
    if not as_json:
        emit(f"{name} is forgotten; {told}", asked_ascii=settings.ascii)
    if not dry_run:
        if is_ours:
            agree(yes=yes)
        unregister(settings.home, name)
        if is_ours:
            item = Item("store", name, "asked for", size, store, (store / path.relative_to(store).parts[0],))
            for _, problem in carry_out(Plan((item,))):
                if problem is not None:
                    raise BadInput(problem)
    if as_json:
        emit_json(
            "shortlist-model-remove",
            {"name": name, "path": str(path), "frees_bytes": size, "is_carried_out": not dry_run},
        )
