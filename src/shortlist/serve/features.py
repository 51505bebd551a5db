"""What the model behind a lease can do: its engine's word, or its template's where the engine leaves it to that."""

from shortlist.serve import checks
from shortlist.serve.call import Call
from shortlist.serve.events import parse
from shortlist.serve.lease import Lease
from shortlist.serve.relay import body_of, exchange

BY_TEMPLATE = "tools_by_template"
_MOST_KNOWN = 64
_OF_TEMPLATE = {"supports_tools": "tools", "supports_reasoning_effort": "reasoning_effort"}


async def template_features(call: Call, lease: Lease) -> frozenset[str]:
    """The capabilities that this model's template gives: `tools`, `reasoning_effort`. Its engine is asked once."""
    known = call.state.template_features
    key = (lease.endpoint.base_url, lease.model)
    if key not in known:
        async with exchange(call, lease, "//props", None) as connection:
            told = parse(await body_of(connection)) if connection.status == 200 else {}
        caps = told.get("chat_template_caps")
        if len(known) >= _MOST_KNOWN:
            known.clear()
        given = caps if isinstance(caps, dict) else {}
        known[key] = frozenset(name for cap, name in _OF_TEMPLATE.items() if given.get(cap))
    return known[key]


async def check_lease(call: Call, lease: Lease, needed: dict[str, str], limit: int | None) -> None:
    """Raise BadRequest for what this model cannot do, or could not hold."""
    has = frozenset(lease.endpoint.capabilities)
    if BY_TEMPLATE in has and any(name in needed for name in _OF_TEMPLATE.values()):
        has |= await template_features(call, lease)
    checks.check_features(needed, lease.endpoint, has)
    checks.check_limit(limit, lease.context)
