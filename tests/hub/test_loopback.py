"""The loopback Hub does what tests ask of it, seen by a plain client and by the real huggingface_hub."""

import hashlib
import http.client
from pathlib import Path

import pytest

from hub.loopback import COMMIT, Repository, Reset, Status, loopback_hub
from hub.workshop import WORKSHOP, workshop_repositories
from serve.services import until

DATA = bytes(range(256)) * 400


def test_a_reset_comes_at_its_byte_and_a_range_goes_on_there() -> None:
    with loopback_hub({"o/r": Repository({"m.gguf": DATA})}) as hub:
        hub.faults["m.gguf"] = [Reset(70_001)]
        place = hub.storage.removeprefix("http://")
        path = f"/{hashlib.sha256(DATA).hexdigest()}?m.gguf"
        first = http.client.HTTPConnection(place)
        first.request("GET", path)
        reply, got = first.getresponse(), bytearray()
        with pytest.raises(ConnectionResetError):
            _read_into(reply, got)
        assert len(got) == 70_001
        first.close()
        second = http.client.HTTPConnection(place)
        second.request("GET", path, headers={"Range": "bytes=70001-"})
        assert bytes(got) + second.getresponse().read() == DATA
        second.close()
        until(lambda: hub.sent["m.gguf"] == len(DATA))  # the hub counts what it has sent, after the reader may have it


def _read_into(reply: http.client.HTTPResponse, got: bytearray) -> None:
    while block := reply.read1(1000):
        got += block


def test_the_real_huggingface_hub_is_content_with_it(tmp_path: Path) -> None:
    from huggingface_hub import HfApi, hf_hub_download

    with loopback_hub({"o/r": Repository({"m.gguf": DATA, "config.json": b"{}"})}) as hub:
        hub.faults["m.gguf"] = [Status(429, {"Retry-After": "0"})]
        info = HfApi(hub.url).model_info("o/r", files_metadata=True)
        assert info.sha == COMMIT
        assert {one.rfilename: one.size for one in info.siblings or ()} == {"m.gguf": len(DATA), "config.json": 2}
        for name, data in (("m.gguf", DATA), ("config.json", b"{}")):
            path = hf_hub_download("o/r", name, endpoint=hub.url, cache_dir=tmp_path)
            assert Path(path).read_bytes() == data


def test_the_workshops_models_stand_under_the_names_that_the_catalogue_has() -> None:
    served = workshop_repositories()
    assert len(served) == len(WORKSHOP)
    assert all(data.startswith(b"GGUF") for one in served.values() for data in one.files.values())
