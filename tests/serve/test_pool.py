"""What the pool promises, on virtual time: who gets an engine, when, in how much memory, and who is told what."""

import asyncio
from pathlib import Path

import pytest

from serve.pools import MB, House, S, running, until, wait
from shortlist.errors import (
    ConnectionClosed,
    DoesNotFit,
    EngineCrashed,
    EngineNotReady,
    HostBusy,
    QueueFull,
    ServiceStopping,
    ShortlistError,
    UnknownName,
)
from shortlist.ledger import Ledger, Loaded, Page, own_page
from shortlist.serve.lease import Demand, Lease, Used
from shortlist.serve.placing import Rules
from shortlist.serve.pool import Pool
from virtual_time import run_virtual


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(Ledger(tmp_path / "ledger.json"), 1000 * MB, {"a": 600 * MB, "b": 600 * MB, "small": 100 * MB})


async def use(pool: Pool, name: str, seconds: float = 1.0, client: str = "local") -> Lease:
    async with pool.lease(name, Demand(client)) as lease:
        await wait(seconds)
        return lease


def test_many_who_ask_at_once_load_a_model_once(house: House) -> None:
    async def work() -> None:
        async with running(house) as pool:
            leases = await asyncio.gather(*(use(pool, "a", 0.1) for _ in range(16)))
        assert house.loads("a") == 1
        assert house.asked == 1
        assert {lease.model for lease in leases} == {"a"}
        assert leases[0].loaded_ns >= S
        assert max(lease.waited_ns for lease in leases) >= 2.5 * S, "one slot: the sixteenth waits for fifteen"

    run_virtual(work())


def test_slots_are_as_many_as_were_opened(house: House) -> None:
    house.parallel = 4

    async def work() -> None:
        async with running(house) as pool:
            tasks = [asyncio.create_task(use(pool, "a")) for _ in range(6)]
            await until(lambda: bool(house.open_now()))
            await wait(0.1)
            (model,) = pool.models.values()
            assert (model.in_use, len(model.queue)) == (4, 2)
            await asyncio.gather(*tasks)
            assert (model.in_use, len(model.queue), model.tally.requests) == (0, 0, 6)

    run_virtual(work())


def test_an_idle_model_is_unloaded_and_comes_back_when_it_is_asked_for(house: House) -> None:
    async def work() -> None:
        async with running(house, Rules(idle_timeout_ns=60 * S)) as pool:
            await use(pool, "a")
            await wait(59)
            assert house.open_now() == ["a"]
            await use(pool, "a", 90)
            await wait(59)
            assert house.open_now() == ["a"], "a request in it is no idleness"
            await wait(2)
            assert house.open_now() == []
            await use(pool, "a")
            assert house.loads("a") == 2

    run_virtual(work())


def test_the_least_recently_used_idle_model_gives_its_memory(house: House) -> None:
    house.sizes = {"a": 400 * MB, "b": 400 * MB, "c": 400 * MB, "large": 900 * MB}

    async def work() -> None:
        async with running(house) as pool:
            for name in ("a", "b", "a"):
                await use(pool, name)
            await use(pool, "c")
            assert house.open_now() == ["a", "c"]
            await use(pool, "large")
            assert house.open_now() == ["large"]

    run_virtual(work())


def test_only_what_is_needed_is_evicted(house: House) -> None:
    house.sizes = {"little": 100 * MB, "a": 500 * MB, "b": 400 * MB, "c": 500 * MB}

    async def work() -> None:
        async with running(house) as pool:
            for name in ("little", "a", "b"):
                await use(pool, name)
            await use(pool, "c")
            assert sorted(house.open_now()) == ["b", "c", "little"], "the oldest alone would not have done"

    run_virtual(work())


def test_a_pinned_model_is_loaded_at_the_start_and_never_goes(house: House) -> None:
    async def work() -> None:
        async with running(house, Rules(idle_timeout_ns=S), pinned=("a",)) as pool:
            await until(lambda: house.open_now() == ["a"])
            await wait(100)
            with pytest.raises(DoesNotFit, match=r"b needs 600 MB .*400 MB is free now beside a 600 MB") as caught:
                await use(pool, "b")
            assert caught.value.hint == "small fits"
            await use(pool, "small")
            assert "a" in house.open_now()

    run_virtual(work())


def test_what_can_never_fit_is_refused_with_numbers_and_evicts_nobody(house: House) -> None:
    house.sizes["huge"] = 5000 * MB

    async def work() -> None:
        async with running(house) as pool:
            await use(pool, "a")
            with pytest.raises(DoesNotFit, match=r"huge needs 5\.00 GB of memory \(predicted\)"):
                await use(pool, "huge")
            assert house.open_now() == ["a"]

    run_virtual(work())


def test_memory_limit_counts_what_is_loaded_in_all(house: House) -> None:
    house.memory = 9000 * MB

    async def work() -> None:
        async with running(house, Rules(memory_limit_bytes=700 * MB)) as pool:
            await use(pool, "a")
            await use(pool, "small")
            assert house.open_now() == ["a", "small"]
            await use(pool, "b")
            assert "a" not in house.open_now()
            house.sizes["c"] = 800 * MB
            with pytest.raises(DoesNotFit, match="left of memory_limit"):
                await use(pool, "c")

    run_virtual(work())


def test_what_was_measured_replaces_what_was_predicted(house: House) -> None:
    house.memory = 9000 * MB
    house.taken = {"a": 300 * MB}

    async def work() -> None:
        async with running(house, Rules(memory_limit_bytes=1000 * MB)) as pool:
            await use(pool, "a")
            (a,) = pool.models.values()
            assert (a.charge_bytes, a.basis) == (600 * MB, "predicted"), "a fresh engine has not touched it all"
            for _ in range(4):
                await use(pool, "a")
            await wait(6)
            assert (a.charge_bytes, a.basis) == (300 * MB, "measured")
            await use(pool, "b")
            assert house.open_now() == ["a", "b"], "there is room for both by what was measured"
            house.taken["a"] = 350 * MB
            await wait(6)
            assert a.charge_bytes == 350 * MB
            house.taken["a"] = 100 * MB
            await wait(6)
            assert a.charge_bytes == 350 * MB, "the most that was seen"
            (page,) = house.ledger.pages()
            assert {load.label: load.bytes for load in page.loads} == {"a": 350 * MB, "b": 600 * MB}

    run_virtual(work())


def test_what_others_have_loaded_counts_too(house: House) -> None:
    other = Page(1, "service", "somebody's", loads=(Loaded("x", 500 * MB, "predicted"),), born=0.0)

    class Books(Ledger):
        def pages(self) -> tuple[Page, ...]:
            return (*super().pages(), other)

    ledger, house.ledger = house.ledger, Books(house.ledger.path)

    async def work() -> None:
        pool = house.pool(Rules())
        await pool.start()
        with pytest.raises(DoesNotFit, match="500 MB is free now beside x 500 MB"):
            await use(pool, "a")
        await pool.stop()

    run_virtual(work())
    assert ledger.pages() == ()


@pytest.mark.parametrize("clients", [16])
def test_two_models_in_the_memory_of_one_take_turns(house: House, clients: int) -> None:
    """Sixteen clients, half for each model, all the time: nobody starves, swaps are bounded, memory is never short."""
    house.parallel = 4
    rules = Rules(turn_ns=10 * S)
    minutes = 10
    served = {f"{name}-{n}": 0 for n in range(clients // 2) for name in ("a", "b")}
    longest: list[int] = []

    async def client(pool: Pool, name: str, who: str) -> None:
        while True:
            lease = await use(pool, name, 0.5, who)
            served[who] += 1
            longest.append(lease.waited_ns)

    async def work() -> None:
        async with running(house, rules) as pool:
            tasks = [asyncio.create_task(client(pool, who[0], who)) for who in served]
            for _ in range(minutes * 60):
                await wait(1)
                house.free()
                assert len(house.open_now()) <= 1
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    run_virtual(work())
    swaps = len(house.made) - 1
    assert swaps <= minutes * 60 / 10
    assert swaps >= minutes * 60 / 13, "a turn, the end of what is running, an unload and a load"
    assert house.most_bytes <= 600 * MB
    assert min(served.values()) > 0.9 * max(served.values())
    assert max(longest) < 30 * S


def test_an_idle_model_gives_way_at_once_and_not_after_its_turn(house: House) -> None:
    async def work() -> None:
        async with running(house, Rules(turn_ns=100 * S)) as pool:
            await use(pool, "a")
            lease = await use(pool, "b")
            assert lease.waited_ns < 1.5 * S, "a linger of a tenth of a second, and its load"

    run_virtual(work())


def test_a_turn_that_is_over_lets_a_long_request_end(house: House) -> None:
    async def work() -> None:
        async with running(house, Rules(turn_ns=5 * S)) as pool:
            long = asyncio.create_task(use(pool, "a", 60))
            await wait(3)
            lease = await use(pool, "b")
            assert lease.waited_ns > 50 * S
            await long

    run_virtual(work())


def test_a_small_model_does_not_wait_for_a_large_ones_turn(house: House) -> None:
    async def work() -> None:
        async with running(house, Rules(turn_ns=50 * S)) as pool:
            busy = asyncio.create_task(use(pool, "a", 40))
            await wait(3)
            waits = asyncio.create_task(use(pool, "b"))
            await wait(1)
            lease = await use(pool, "small")
            assert lease.waited_ns < 2 * S
            await busy
            assert (await waits).model == "b"
            assert "small" in house.open_now(), "there is room for b beside it"

    run_virtual(work())


def test_clients_are_served_in_turn(house: House) -> None:
    order: list[str] = []

    async def one(pool: Pool, client: str) -> None:
        async with pool.lease("a", Demand(client)):
            order.append(client)
            await wait(1)

    async def work() -> None:
        async with running(house) as pool:
            greedy = [asyncio.create_task(one(pool, "greedy")) for _ in range(6)]
            await wait(0.5)
            late = [asyncio.create_task(one(pool, client)) for client in ("x", "y")]
            await asyncio.gather(*greedy, *late)

    run_virtual(work())
    assert order[:3] == ["greedy", "x", "y"] or order[1:3] == ["x", "y"]


def test_a_full_queue_refuses_and_says_when_to_ask_again(house: House) -> None:
    async def work() -> None:
        async with running(house, Rules(queue_limit=4)) as pool:
            await use(pool, "a", 10)
            tasks = [asyncio.create_task(use(pool, "a", 10)) for _ in range(5)]
            await wait(0.1)
            with pytest.raises(QueueFull, match=r"4 requests wait.*4 of them for a") as caught:
                await use(pool, "a")
            assert caught.value.retry_after_s == 50, "the one in it, four that wait, ten seconds each"
            stranger = asyncio.create_task(use(pool, "a", 1, "somebody else"))
            results = await asyncio.gather(*tasks, stranger, return_exceptions=True)
            assert [type(r) for r in results].count(QueueFull) == 1, "the greedy one's newest gave way"
            assert isinstance(results[-1], Lease)

    run_virtual(work())


def test_who_goes_away_leaves_no_trace(house: House) -> None:
    async def work() -> None:
        async with running(house) as pool:
            first = asyncio.create_task(use(pool, "a", 10))
            await wait(2)
            waits = [asyncio.create_task(use(pool, "a")) for _ in range(3)]
            await wait(0.1)
            for task in waits:
                task.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
            (model,) = pool.models.values()
            assert len(model.queue) == 0
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)
            assert model.in_use == 0
            assert (await use(pool, "a")).waited_ns < S

    run_virtual(work())


def test_who_goes_away_in_the_moment_of_the_grant_gives_the_slot_back(house: House) -> None:
    async def work() -> None:
        async with running(house) as pool:
            release = asyncio.Event()

            async def holder() -> None:
                async with pool.lease("a", Demand()):
                    await release.wait()

            first = asyncio.create_task(holder())
            await wait(2)
            second = asyncio.create_task(use(pool, "a"))
            await wait(0.1)
            (model,) = pool.models.values()
            release.set()
            await until(first.done)
            model_before = model.in_use
            second.cancel()
            await asyncio.gather(first, second, return_exceptions=True)
            assert model_before in (0, 1)
            await wait(0.1)
            assert model.in_use == 0

    run_virtual(work())


def test_a_crash_is_told_to_those_whose_request_was_in_it_and_the_engine_comes_back(house: House) -> None:
    house.parallel = 2

    async def broken(pool: Pool) -> None:
        async with pool.lease("a", Demand()):
            while house.engine("a").is_open:
                await wait(0.1)
            raise ConnectionClosed("the engine hung up")

    async def work() -> None:
        async with running(house) as pool:
            await use(pool, "a")
            await wait(20)
            inside = asyncio.gather(broken(pool), broken(pool), return_exceptions=True)
            await wait(1)
            waits = asyncio.create_task(use(pool, "a", 0.1))
            house.engine("a").die()
            for error in await inside:
                assert isinstance(error, EngineCrashed)
                assert "killed by SIGKILL while it worked on this request" in error.message
                assert "/a/log" not in error.message
                assert error.retry_after_s == 1
            lease = await waits
            assert 0.5 * S <= lease.waited_ns <= 2 * S, "half a second of back-off and the load"
            assert house.loads("a") == 2

    run_virtual(work())


def test_an_engine_that_crashes_again_and_again_is_left_alone_for_a_while(house: House) -> None:
    async def work() -> None:
        async with running(house) as pool:
            for _ in range(5):
                async with pool.lease("a", Demand()):
                    house.engine("a").die()
                    await wait(0.1)
            with pytest.raises(EngineCrashed, match=r"ended 5 times in a row.*") as caught:
                await use(pool, "a")
            assert caught.value.retry_after_s == 30
            await wait(10)
            with pytest.raises(EngineCrashed, match=r"next try in 19\.9 s"):
                await use(pool, "a")
            assert house.loads("a") == 5
            await wait(25)
            assert (await use(pool, "a")).model == "a", "then it is tried again"
            house.engine("a").die()

    run_virtual(work())


def test_management_may_try_before_the_back_off_is_over(house: House) -> None:
    house.fails = {"a"}

    async def work() -> None:
        async with running(house) as pool:
            for _ in range(5):
                with pytest.raises(EngineNotReady):
                    await pool.load("a")
            with pytest.raises(EngineNotReady, match="next try in"):
                await use(pool, "a")
            house.fails.clear()
            await pool.load("a")
            assert house.open_now() == ["a"]

    run_virtual(work())


def test_a_load_that_fails_is_told_to_all_who_wait_and_tried_again_later(house: House) -> None:
    house.fails = {"a"}

    async def work() -> None:
        async with running(house) as pool:
            results = await asyncio.gather(*(use(pool, "a") for _ in range(3)), return_exceptions=True)
            assert all(isinstance(r, EngineNotReady) for r in results)
            assert len({id(r) for r in results}) == 3
            house.fails.clear()
            await wait(1)
            assert (await use(pool, "a")).model == "a"

    run_virtual(work())


@pytest.mark.parametrize("kills", [1, 2])
def test_a_load_that_was_killed_is_tried_once_more_before_anybody_is_told(house: House, kills: int) -> None:
    house.kills = kills

    async def work() -> None:
        async with running(house) as pool:
            if kills == 1:
                assert (await use(pool, "a")).model == "a"
            else:
                with pytest.raises(EngineNotReady, match="a could not be loaded") as caught:
                    await use(pool, "a")
                assert caught.value.retry_after_s == 1
            assert house.loads("a") == 2

    run_virtual(work())


def test_nothing_is_loaded_while_a_bench_has_the_host(house: House) -> None:
    bench = own_page("bench", "shortlist bench, run 1a2b", free_with="kill 1")

    async def work() -> None:
        async with running(house) as pool:
            house.ledger.post(bench)
            with pytest.raises(HostBusy, match=r"shortlist bench, run 1a2b \(pid \d+\) measures") as caught:
                await use(pool, "a")
            assert caught.value.retry_after_s == 30
            assert house.made == []
            house.ledger.drop(bench)
            assert (await use(pool, "a")).model == "a", "a busy host is no failure of the model's"

    run_virtual(work())


def test_unload_waits_for_what_is_running_and_takes_nothing_new(house: House) -> None:
    async def work() -> None:
        async with running(house) as pool:
            running_one = asyncio.create_task(use(pool, "a", 10))
            await wait(3)
            gone = asyncio.create_task(pool.unload("a"))
            await wait(3)
            assert not gone.done()
            await running_one
            await gone
            assert house.open_now() == []
            assert [m.label for m in await pool.unload_all()] == []

    run_virtual(work())


def test_an_unload_is_over_when_its_engine_crashes_meanwhile(house: House) -> None:
    async def work() -> None:
        async with running(house) as pool:
            inside = asyncio.create_task(use(pool, "a", 10))
            await wait(3)
            gone = asyncio.create_task(pool.unload("a"))
            await wait(1)
            house.engine("a").die()
            await gone
            await inside
            await wait(10)
            assert house.open_now() == []

    run_virtual(work())


def test_a_pinned_model_comes_back_after_a_crash_and_after_a_bench(house: House) -> None:
    bench = own_page("bench", "shortlist bench, run 1a2b")
    house.ledger.post(bench)

    async def work() -> None:
        async with running(house, pinned=("a",)):
            await wait(10)
            assert house.made == []
            house.ledger.drop(bench)
            await wait(30)
            assert house.open_now() == ["a"]
            house.engine("a").die()
            await wait(5)
            assert house.open_now() == ["a"]

    run_virtual(work())


def test_an_engine_that_raises_what_nobody_foresaw_ends_its_load_and_nothing_else(house: House) -> None:
    house.breaks = {"a"}

    async def work() -> None:
        async with running(house) as pool:
            with pytest.raises(EngineNotReady, match="a could not be loaded"):
                await use(pool, "a")
            assert (await use(pool, "b")).model == "b"

    run_virtual(work())


def test_a_forced_unload_tells_those_whose_request_was_in_it(house: House) -> None:
    async def broken(pool: Pool) -> None:
        async with pool.lease("a", Demand()):
            while house.engine("a").is_open:
                await wait(0.1)
            raise ConnectionClosed("the engine hung up")

    async def work() -> None:
        async with running(house, pinned=("a",)) as pool:
            await until(lambda: house.open_now() == ["a"])
            inside = asyncio.create_task(broken(pool))
            await wait(1)
            await pool.unload("a", force=True)
            with pytest.raises(ShortlistError, match="a was unloaded: somebody asked for that"):
                await inside
            await wait(10)
            assert house.open_now() == [], "what is unloaded by hand is pinned no more"

    run_virtual(work())


def test_a_stopping_pool_lets_requests_end_and_refuses_new_ones(house: House) -> None:
    async def work() -> None:
        pool = house.pool(Rules(drain_ns=30 * S))
        await pool.start()
        task = asyncio.create_task(use(pool, "a", 20))
        await wait(3)
        waits = asyncio.create_task(use(pool, "a"))
        await wait(0.1)
        stop = asyncio.create_task(pool.stop())
        await wait(0.1)
        with pytest.raises(ServiceStopping):
            await waits
        with pytest.raises(ServiceStopping):
            await use(pool, "a")
        assert (await task).model == "a"
        await stop
        assert house.open_now() == []

    run_virtual(work())


def test_a_stop_that_is_hurried_waits_for_no_request(house: House) -> None:
    async def work() -> float:
        pool = house.pool(Rules(drain_ns=600 * S))
        await pool.start()
        task = asyncio.create_task(use(pool, "a", 300))
        await wait(3)
        stop = asyncio.create_task(pool.stop())
        await wait(1)
        pool.hurry()
        await stop
        assert house.open_now() == []
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return asyncio.get_running_loop().time()

    assert run_virtual(work()) < 10


def test_a_stop_does_not_wait_for_ever_nor_for_a_load(house: House) -> None:
    house.load_s = 500

    async def work() -> float:
        pool = house.pool(Rules(drain_ns=5 * S))
        await pool.start()
        task = asyncio.create_task(use(pool, "a"))
        await wait(1)
        await pool.stop()
        with pytest.raises(ServiceStopping):
            await task
        return asyncio.get_running_loop().time()

    assert run_virtual(work()) < 10


def test_unknown_names_are_not_kept(house: House) -> None:
    async def work() -> None:
        async with running(house) as pool:
            with pytest.raises(UnknownName):
                await use(pool, "nobody")
            house.sizes["nobody"] = MB
            assert (await use(pool, "nobody")).model == "nobody"

    run_virtual(work())


def test_a_model_is_kept_by_light_prompts_and_tells_what_it_saved(house: House) -> None:
    async def work() -> None:
        async with running(house, Rules(idle_timeout_ns=10 * S, keep_alive_ns=60 * S)) as pool:
            await use(pool, "a")
            await wait(150)
            assert [round(at) for at in house.warmed] == [62, 122], "each minute after its last request"
            await use(pool, "a")
            tally = next(iter(pool.models.values())).tally
            assert (tally.loads, tally.kept_loads) == (1, 1)
            assert tally.kept_ns == pytest.approx(1 * S, rel=0.1)

    run_virtual(work())


def test_what_requests_cost_is_counted(house: House) -> None:
    async def work() -> None:
        async with running(house) as pool:
            lease = await use(pool, "a")
            pool.used(lease, Used(10, 21, S, 3 * S))
            pool.used(lease, Used(is_cancelled=True))
            tally = next(iter(pool.models.values())).tally
            assert (tally.prompt_tokens, tally.completion_tokens, tally.cancelled) == (10, 21, 1)
            assert tally.decoded_tokens / (tally.decode_ns / S) == 10

    run_virtual(work())
