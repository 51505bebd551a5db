"""Foundry Local's dialects over HTTP, asked as its 0.x and 1.x clients ask; downloads come from a loopback Hub."""

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from urllib.parse import quote

import pytest

from hub.loopback import Hub, Stall, loopback_hub
from hub.workshop import workshop_repositories
from serve.services import Daemon, daemon, until
from shortlist import demo
from shortlist.errors import LicenceRefused
from shortlist.models.catalogue import Library, load_library
from shortlist.models.foundry import Offer, choose, offers
from shortlist.models.policy import Policy, PolicyFile
from shortlist.records import ModelCard
from shortlist.serve.foundry import Shop
from shortlist.serve.foundry_download import Downloads, Progress
from shortlist.settings import Settings

SMALL = "notes-small-generic-cpu:1"
FETCHED = "qwen2.5-0.5b-generic-cpu:1"
ENTRY = {
    "name": str, "displayName": str, "modelType": str, "providerType": str, "uri": str, "version": str, "alias": str,
    "publisher": str, "task": str, "runtime": dict, "fileSizeMb": int, "modelSettings": dict, "license": str,
    "supportsToolCalling": bool, "licenseDescription": str, "parentModelUri": str,
}  # fmt: skip
"""What the 0.5.1 client's own record demands of each entry, with its types."""


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    with loopback_hub(workshop_repositories()) as found:
        yield found


@pytest.fixture(scope="module")
def service(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    home = tmp_path_factory.mktemp("foundry")
    listing = home / "mine.json"
    listing.write_text(json.dumps({"version": 1, "models": {"mistral-7b": {"source": "notes-large"}}}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_ENDPOINT", hub.url)
        patch.setenv("HF_HOME", str(home / "hf"))
        with daemon(home, "--models", listing, "--threads", 1) as found:
            yield found


@pytest.fixture(scope="module")
def library() -> Library:
    return load_library()


@pytest.fixture(scope="module")
def listed(library: Library) -> list[Offer]:
    return offers(library, Policy())


def test_every_id_is_unique_and_read_back_wherever_models_are_named(library: Library, listed: list[Offer]) -> None:
    assert len({one.id for one in listed}) == len(listed) > 60
    for one in listed:
        assert library.find(one.id) == one.found, one.id
        assert choose(one.id.upper(), listed, library) == one


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("qwen2.5-0.5b", FETCHED),
        ("qwen2.5-0.5b-generic-cpu", FETCHED),
        ("qwen2.5-0.5b-instruct-generic-cpu:4", FETCHED),
        ("qwen2.5-0.5b@q8_0", "qwen2.5-0.5b-q8_0-generic-cpu:1"),
        ("phi-4-mini", "phi-4-mini-q4_k_m-generic-cpu:1"),
        ("Phi-4-mini-instruct-generic-cpu:5", "phi-4-mini-generic-cpu:1"),
    ],
)
def test_a_name_means_an_id(library: Library, listed: list[Offer], asked: str, found: str) -> None:
    assert choose(asked, listed, library).id == found


def test_of_several_versions_the_highest_is_meant_and_numbers_are_numbers() -> None:
    cards = [ModelCard(alias, extra={"version": version}, names=()) for alias, version in (("m", 9), ("n", 10))]
    library = Library(cards)
    listed = offers(library, Policy())
    renamed = [Offer(one.found, one.entry, None) for one in listed]
    assert [one.id for one in renamed] == ["m-generic-cpu:9", "n-generic-cpu:10"]
    assert choose("n-generic-cpu", renamed, library).id == "n-generic-cpu:10"


def test_what_the_licence_policy_refuses_is_not_on_offer(library: Library) -> None:
    rules = PolicyFile(classes={"permissive": "allow", "non-commercial": "refuse"})
    listed = offers(library, Policy(rules, Path("policy.toml")))
    assert {"qwen2.5-7b", "qwen2.5-3b"} & {one.entry.alias for one in listed} == {"qwen2.5-7b"}


def test_the_catalogue_has_every_field_that_the_client_demands(service: Daemon) -> None:
    entries = service.ask("/foundry/list").json
    for entry in entries:
        assert {key for key, kind in ENTRY.items() if type(entry[key]) is not kind} == set(), entry
        assert {"promptTemplate", "maxOutputTokens"} <= set(entry)
        assert entry["runtime"] == {"deviceType": "CPU", "executionProvider": "CPUExecutionProvider"}
    first = {entry["alias"]: entry["name"] for entry in reversed(entries)}
    assert first["qwen2.5-0.5b"] == FETCHED, "an alias's first entry is what the alias means"
    assert first["mistral-7b"] == "mistral-7b-generic-cpu:1"


def test_a_model_is_fetched_with_progress_and_only_by_its_name(service: Daemon, hub: Hub) -> None:
    assert FETCHED not in service.ask("/openai/models").json
    body = {
        "model": {"Name": FETCHED, "Uri": "http://169.254.169.254/latest", "Publisher": "x", "ProviderType": "x",
                  "PromptTemplate": None},
        "token": None, "IgnorePipeReport": True,
    }  # fmt: skip
    told = service.ask("/openai/download", body)
    lines = told.body.decode().splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("{"))
    assert json.loads("".join(lines[start:])) == {"success": True, "errorMessage": None}
    assert start >= 1
    assert all("%" in line for line in lines[:start])
    assert "100.00%" in lines[start - 1]
    assert FETCHED in service.ask("/openai/models").json
    size = demo.demo_model_path("notes-small").stat().st_size
    assert sum(hub.sent.values()) == size
    again = service.ask("/openai/download", {"model": {"Name": "qwen2.5-0.5b"}})
    assert again.json == {"success": True, "errorMessage": None}
    assert sum(hub.sent.values()) == size, "what is here is not fetched again"


def test_a_download_whose_client_goes_is_gone_on_with(service: Daemon, hub: Hub) -> None:
    name = "gemma-2-2b"
    (file,) = (path for one in hub.repositories.values() for path in one.files if "gemma" in path)
    hub.faults[file] = [Stall(100_000)]
    connection = http.client.HTTPConnection("127.0.0.1", service.port)
    connection.request("POST", "/openai/download", json.dumps({"model": {"Name": name}}))
    line = connection.getresponse().readline()
    assert 0 < float(line.split()[1].rstrip(b"%")) < 100
    connection.close()
    before = hub.sent[file]
    told = service.ask("/openai/download", {"model": {"Name": name}}).body.splitlines()[-1]
    assert json.loads(told)["success"]
    assert hub.sent[file] - before < demo.demo_model_path("notes-medium").stat().st_size, "not from its beginning"


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ({"model": {"Name": "nothing-like-it"}}, 404, "unknown model"),
        ({"model": {"Name": "gemma-2-2b-q8_0-generic-cpu:1"}}, 404, "unknown file"),
        ({"model": {"Name": "../../etc/passwd"}}, 404, "unknown model"),
    ],
)
def test_a_download_that_fails_says_so_in_the_words_that_the_client_reads(
    service: Daemon, body: dict[str, object], status: int, told: str
) -> None:
    reply = service.ask("/openai/download", body)
    assert (reply.status, reply.json["success"]) == (status, False)
    assert told in reply.json["errorMessage"]
    assert reply.json["error"]["message"] == reply.json["errorMessage"]


def test_a_licence_that_must_be_read_first_is_not_passed_by(tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text('[classes]\npermissive = "allow"\n')
    shop = Shop(Settings(home=tmp_path, licence_policy=policy), load_library)
    downloads = Downloads(shop.settings, shop.library, shop.choose)
    with pytest.raises(LicenceRefused, match="must be read"):
        downloads._fetch("gemma-2-2b", Progress(), Event())
    downloads.close()


def test_tokens_and_paths_are_not_taken_from_clients(service: Daemon) -> None:
    model = {"Name": "gemma-2-2b"}
    assert service.ask("/openai/download", {"model": model, "token": "hf_x"}).error["param"] == "token"
    assert service.ask("/openai/download", {"model": model, "customDirPath": "/tmp"}).error["param"] == "customDirPath"


def test_a_model_is_loaded_seen_and_unloaded(service: Daemon) -> None:
    service.ask("/openai/unloadall")
    assert service.ask("/openai/loadedmodels").json == []
    assert service.ask(f"/openai/load/{SMALL}?ttl=600&ep=").status == 200
    assert service.ask("/openai/loadedmodels").json == [SMALL] == service.ask("/models/loaded").json
    assert service.chat(SMALL, max_tokens=4).json["model"] == "notes-small"
    assert service.ask(f"/openai/unload/{SMALL}?force=False").status == 200
    assert service.ask("/openai/loadedmodels").json == []


def test_the_routes_of_later_clients_do_the_same(service: Daemon) -> None:
    assert service.ask(f"/models/load/{quote(SMALL)}").status == 200
    assert service.ask("/models/loaded").json == [SMALL]
    assert service.ask(f"/models/unload/{quote(SMALL)}").status == 200
    assert service.ask("/models/loaded").json == []


def test_a_model_goes_when_the_time_that_its_client_gave_it_is_over(service: Daemon) -> None:
    assert service.ask(f"/openai/load/{SMALL}?ttl=1&ep=cpu").status == 200
    assert service.ask("/openai/loadedmodels").json == [SMALL]
    until(lambda: service.ask("/openai/loadedmodels").json == [])


@pytest.mark.parametrize("name", ["phi-4-mini", "phi-4-mini-generic-cpu:1", "no-such-model", "../x"])
def test_what_is_not_cached_is_refused_in_the_words_that_clients_look_for(service: Daemon, name: str) -> None:
    for route in ("/openai/load/", "/openai/unload/", "/models/load/"):
        reply = service.ask(route + quote(name, safe=""))
        assert (reply.status, reply.error["code"]) == (404, "model_not_found")
        assert "No OpenAIService provider found for modelName" in reply.error["message"]


@pytest.mark.parametrize("query", ["ttl=-1", "ttl=soon", "ttl=0", "ep=cuda", "ep=x", "device=gpu", "ttl=1&x=2"])
def test_what_would_be_ignored_is_refused(service: Daemon, query: str) -> None:
    assert service.ask(f"/openai/load/{SMALL}?{query}").status == 400


def test_an_alias_that_models_json_gives_to_another_model_loads_by_itself(service: Daemon) -> None:
    reply = service.chat("mistral-7b", max_tokens=4)
    assert (reply.status, reply.json["model"]) == (200, "mistral-7b")
    assert "mistral-7b-generic-cpu:1" in service.ask("/openai/loadedmodels").json


def test_status_tokens_and_gpu(service: Daemon) -> None:
    told = service.ask("/openai/status").json
    assert Path(told["modelDirPath"]).name == "hub"
    assert f"http://127.0.0.1:{service.port}" in told["endpoints"]
    assert service.ask("/openai/getgpudevice").json == -1
    body = {"model": SMALL, "messages": [{"role": "user", "content": "We meet at noon."}]}
    told = service.ask("/v1/chat/completions/tokenizer/encode/count", body).json
    assert told["tokenCount"] == service.chat(SMALL, "We meet at noon.", max_tokens=1).json["usage"]["prompt_tokens"]


def test_a_page_cannot_change_anything_and_nothing_ends_the_service(service: Daemon) -> None:
    for path in (f"/openai/load/{SMALL}", "/openai/unloadall", f"/models/unload/{SMALL}"):
        for headers in ({"Origin": "https://evil.example"}, {"Host": "evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
            assert service.ask(path, None, **headers).status == 403, (path, headers)
    for path in ("/shutdown", "/openai/shutdown"):
        assert service.ask(path, {}).status == 404
    assert service.ask("/openai/status").status == 200
