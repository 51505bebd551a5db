"""Memory for one model only, two that are asked all the time by sixteen clients, real engines: nobody starves."""

import logging
from pathlib import Path

import pytest

from serve.services import daemon
from serve.sharing import OPTIONS, share, twins

log = logging.getLogger(__name__)

CLIENTS, SECONDS, TURN_S = 16, 30, 3

pytestmark = [pytest.mark.slow, pytest.mark.engine]


def test_two_models_that_share_the_memory_of_one_are_swapped_within_bounds(tmp_path: Path) -> None:
    with daemon(tmp_path, *OPTIONS, "--turn", f"{TURN_S}s") as service:
        shared = share(service, twins(service), CLIENTS, SECONDS)
        log.info("%s", "; ".join(shared.told()))
        assert shared.most_engines == 1, "one engine at a time fits"
        assert set(shared.served) == set(range(CLIENTS)), "every client was served"
        first, second = map(shared.of, shared.models)
        assert min(*first, *second) >= max(*first, *second) / 2, shared.told()
        assert 2 <= shared.swaps <= SECONDS / TURN_S + 1
        assert "so far" in service.run("service", "ps").out
