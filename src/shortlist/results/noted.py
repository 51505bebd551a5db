"""What a run noted beside its samples: events by kind, the newest last."""

from collections.abc import Mapping

from shortlist.records import Event, Json, Run


def noted(run: Run, kind: str) -> tuple[Event, ...]:
    """The events of one kind, in the order of their time."""
    return tuple(sorted((event for event in run.events if event.kind == kind), key=lambda event: event.ns))


def noted_by(run: Run, kind: str, key: str) -> Mapping[tuple[str, str], Json]:
    """(executor, the event's `key`) → the newest event's data."""
    return {(event.executor, str(event.data[key])): event.data for event in noted(run, kind) if key in event.data}
