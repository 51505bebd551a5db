"""One file over a bad line, from a loopback Hub through huggingface_hub's client: whole and verified, or not there."""

import email.utils
import random
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest

from hub.loopback import (
    COMMIT,
    Close,
    Fault,
    Hub,
    Length,
    NoRange,
    Redirect,
    Repository,
    Reset,
    Stall,
    Status,
    Wrong,
    loopback_hub,
    sha256,
)
from hub.told import Told
from shortlist.clock import wall_ns
from shortlist.errors import HostRefused, HubError, Interrupted, Unverified
from shortlist.models.patience import Patience
from shortlist.models.transfer import Line, Wanted, fetch

DATA = random.Random(4).randbytes(2_000_000)
WANTED = Wanted("o/r", COMMIT, "m.gguf", len(DATA), sha256(DATA))


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    from huggingface_hub import close_session

    with loopback_hub({"o/r": Repository({"m.gguf": DATA})}) as found:
        monkeypatch.setenv("HF_ENDPOINT", found.url)
        monkeypatch.setenv("HF_TOKEN", "hf_secret")
        yield found
        close_session()


def run(partial: Path, *, patience: Patience | None = None, stop: Event | None = None) -> Told:
    told = Told()
    fetch(WANTED, partial, Line(told, stop or Event(), patience or Patience(silence_s=0.4), wait=told.wait))
    return told


def is_whole(hub: Hub, partial: Path, told: Told) -> bool:
    return partial.read_bytes() == DATA and told.have == len(DATA) and not hub.faults.get("m.gguf")


def cut_at_random(hub: Hub, data: bytes, places: int, partial: Path) -> float:
    """Resets at so many bytes, anywhere; the bytes that the server sent, over the file's."""
    at = sorted(random.Random(places).sample(range(len(data)), places))
    hub.repositories["o/r"].files["m.gguf"] = data
    hub.faults["m.gguf"] = [Reset(byte) for byte in at]
    hub.sent.clear()
    told = Told()
    wanted = Wanted("o/r", COMMIT, "m.gguf", len(data), sha256(data))
    fetch(wanted, partial, Line(told, Event(), wait=told.wait))
    assert partial.read_bytes() == data
    assert len(told.waits_s) == places
    return hub.sent["m.gguf"] / len(data)


def test_cut_at_five_random_bytes_it_ends_whole_and_hardly_a_byte_comes_twice(hub: Hub, tmp_path: Path) -> None:
    assert cut_at_random(hub, DATA, 5, tmp_path / "p") <= 1.1


@pytest.mark.slow
def test_cut_at_fifty_random_bytes_it_ends_whole_and_hardly_a_byte_comes_twice(hub: Hub, tmp_path: Path) -> None:
    data = random.Random(5).randbytes(16_000_000)
    shares = [cut_at_random(hub, data, 50 + turn, tmp_path / f"p{turn}") for turn in range(5)]
    assert max(shares) <= 1.1, shares


@pytest.mark.parametrize(
    "faults",
    [
        pytest.param([Stall(700_000)], id="stalls"),
        pytest.param([Stall(0)], id="stalls-before-a-byte"),
        pytest.param([Close(700_000)], id="ends-early-without-an-error"),
        pytest.param([Reset(0), Reset(1)], id="resets-at-once"),
        pytest.param([Status(503), Status(429), Status(500), Status(408)], id="busy"),
    ],
)
def test_what_passes_is_waited_for_and_gone_on_from(hub: Hub, tmp_path: Path, faults: list[Fault]) -> None:
    hub.faults["m.gguf"] = [*faults]
    told = run(tmp_path / "p")
    assert is_whole(hub, tmp_path / "p", told)
    assert len(told.waits_s) == len(faults)
    assert hub.sent["m.gguf"] <= 1.1 * len(DATA)


def test_a_line_that_drips_is_left(hub: Hub, tmp_path: Path) -> None:
    class Faster(Told):
        def wait(self, stop: Event, duration_ns: int) -> bool:
            hub.speed = None
            return super().wait(stop, duration_ns)

    hub.speed, told = 40_000.0, Faster()
    patience = Patience(slow_ns=300_000_000, slow_bytes=1_000_000)
    fetch(WANTED, tmp_path / "p", Line(told, Event(), patience, wait=told.wait))
    assert "nearly stood still" in told.notes[0]
    assert (tmp_path / "p").read_bytes() == DATA


def test_a_server_that_cannot_go_on_in_the_middle_is_read_from_the_start(hub: Hub, tmp_path: Path) -> None:
    hub.faults["m.gguf"] = [Reset(1_000_000), NoRange()]
    told = run(tmp_path / "p")
    assert is_whole(hub, tmp_path / "p", told)
    assert "from the start" in told.notes[1]


def test_what_an_earlier_try_left_is_gone_on_with(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "p").write_bytes(DATA[:1_500_000])
    assert is_whole(hub, tmp_path / "p", run(tmp_path / "p"))
    assert hub.sent["m.gguf"] == 500_000


@pytest.mark.parametrize("left", [b"\0" * 1_500_000, DATA + b"more", b"\0" * len(DATA)])
def test_what_was_left_and_is_not_of_this_file_is_thrown_away(hub: Hub, tmp_path: Path, left: bytes) -> None:
    (tmp_path / "p").write_bytes(left)
    assert is_whole(hub, tmp_path / "p", run(tmp_path / "p"))


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (Wrong(1_234_567), "its digest is"),
        (Length(5), "2,000,005 bytes are sent, and the Hub told 2,000,000"),
        (Length(-5), "1,999,995 bytes are sent"),
    ],
)
def test_what_is_not_the_file_is_refused_and_nothing_of_it_kept(
    hub: Hub, tmp_path: Path, fault: Fault, says: str
) -> None:
    hub.faults["m.gguf"] = [fault]
    with pytest.raises(Unverified, match=says):
        run(tmp_path / "p")
    assert not (tmp_path / "p").exists() or (tmp_path / "p").stat().st_size == 0
    assert is_whole(hub, tmp_path / "p", run(tmp_path / "p")), "and the next try has it"


def test_another_digest_in_the_reply_is_refused_before_a_byte(hub: Hub, tmp_path: Path) -> None:
    hub.repositories["o/r"].files["m.gguf"] = DATA[:-1] + b"!"
    with pytest.raises(Unverified, match="the reply names the digest"):
        run(tmp_path / "p")
    assert hub.sent["m.gguf"] < len(DATA)


def test_retry_after_goes_before_our_own_waits(hub: Hub, tmp_path: Path) -> None:
    date = email.utils.formatdate(wall_ns() / 1e9 + 40, usegmt=True)
    hub.faults["m.gguf"] = [
        Status(429, {"Retry-After": "7"}),
        Status(503, {"Retry-After": date}),
        Status(429, {"ratelimit": '"resolvers";r=0;t=55', "ratelimit-policy": '"fixed window";"resolvers";q=9;w=60'}),
    ]
    waits = run(tmp_path / "p").waits_s
    assert (waits[0], waits[2]) == (7.0, 55.0)
    assert 20 < waits[1] <= 40


def test_after_eight_tries_without_a_byte_it_gives_up_and_keeps_what_came(hub: Hub, tmp_path: Path) -> None:
    hub.faults["m.gguf"] = [Reset(1_000_000), *[Status(503)] * 50]
    told = Told()
    with pytest.raises(HubError, match=r"8 tries without a byte; 1\.00 MB of 2\.00 MB are kept"):
        fetch(WANTED, tmp_path / "p", Line(told, Event(), wait=told.wait))
    assert (tmp_path / "p").read_bytes() == DATA[:1_000_000]
    least = [1, 2, 4, 8, 16, 32, 60, 60]
    assert all(low <= wait <= 1.25 * low for low, wait in zip(least, told.waits_s, strict=True))


@pytest.mark.parametrize(
    "to", ["http://10.0.0.1/x", "http://169.254.169.254/latest", "http://localhost:1/x", "https://evil.example/x"]
)
def test_a_redirect_to_where_nothing_is_fetched_from_is_not_followed(hub: Hub, tmp_path: Path, to: str) -> None:
    hub.faults["resolve:m.gguf"] = [Redirect(to)]
    with pytest.raises(HostRefused):
        run(tmp_path / "p")
    hub.faults["m.gguf"] = [Redirect(to)]
    with pytest.raises(HostRefused):
        run(tmp_path / "p")


def test_storage_that_asks_for_the_token_does_not_get_it(hub: Hub, tmp_path: Path) -> None:
    hub.faults["m.gguf"] = [Status(401, {"WWW-Authenticate": "Bearer"})]
    with pytest.raises(HubError) as refused:
        run(tmp_path / "p")
    assert "a token goes to" in (refused.value.hint or "")
    assert all("hf_secret" in str(headers) for _, _, headers in hub.seen)
    assert not any("hf_secret" in str(headers) for _, headers in hub.storage_seen)


def test_a_stop_ends_it_and_keeps_what_came(hub: Hub, tmp_path: Path) -> None:
    stop = Event()

    class Stopping(Told):
        def moved(self, path: str, count: int) -> None:
            super().moved(path, count)
            if self.have >= 1_000_000:
                stop.set()

    told = Stopping()
    with pytest.raises(Interrupted):
        fetch(WANTED, tmp_path / "p", Line(told, stop, wait=told.wait))
    kept = (tmp_path / "p").read_bytes()
    assert len(kept) >= 1_000_000
    assert DATA.startswith(kept)


def test_offline_nothing_is_asked_and_nothing_is_tried_again(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    told = Told()
    with pytest.raises(HubError, match="HF_HUB_OFFLINE is set"):
        fetch(WANTED, tmp_path / "p", Line(told, Event(), wait=told.wait))
    assert (hub.seen, told.waits_s) == ([], [])
