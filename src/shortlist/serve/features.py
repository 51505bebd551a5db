"""What the model behind a lease can do: its engine's word, or its template's where the engine leaves it to that."""

from collections.abc import Mapping

from shortlist.errors import BadRequest
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


async def check_bias(call: Call, lease: Lease, bias: Mapping[str, float] | None) -> None:
    """Raise BadRequest for a token that the model has not: llama.cpp passes over it without a word."""
    if not bias or lease.endpoint.engine != "llamacpp":
        return
    known = call.state.vocabularies
    key = (lease.endpoint.base_url, lease.model)
    if key not in known:
        async with exchange(call, lease, "/models", None) as connection:
            told = parse(await body_of(connection)) if connection.status == 200 else {}
        if len(known) >= _MOST_KNOWN:
            known.clear()
        listed = told.get("data") or [{}]
        size = (listed[0].get("meta") or {}).get("n_vocab")
        known[key] = size if isinstance(size, int) else 1 << 31
    wrong = next((token for token in bias if int(token[:12]) >= known[key] or len(token) > 12), None)
    if wrong is not None:
        raise BadRequest(f"logit_bias: the model has {known[key]} tokens, and no {wrong[:20]}", param="logit_bias")


async def check_lease(call: Call, lease: Lease, needed: dict[str, str], limit: int | None) -> None:
    """Raise BadRequest for what this model cannot do, or could not hold."""
    has = frozenset(lease.endpoint.capabilities)
    if BY_TEMPLATE in has and any(name in needed for name in _OF_TEMPLATE.values()):
        has |= await template_features(call, lease)
    checks.check_features(needed, lease.endpoint, has)
    checks.check_limit(limit, lease.context)
