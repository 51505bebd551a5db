"""The OpenAPI document: whole, valid, and true to what the service answers."""

from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from serve.asking import Answer, ask
from serve.house import House, open_house

pytestmark = pytest.mark.engine

MESSAGES = [{"role": "user", "content": "Zoë owns the budget."}]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with open_house("llamacpp", "notes-small", tmp_path_factory.mktemp("logs")) as opened:
        yield opened


@pytest.fixture(scope="module")
def document(house: House) -> dict[str, Any]:
    told: dict[str, Any] = ask(house, "/openapi.json").json
    return told


def check(document: dict[str, Any], path: str, method: str, answer: Answer) -> None:
    """The answer's status, type and body stand in the document."""
    told = document["paths"][path][method]["responses"][str(answer.status)]
    kind = answer.headers["content-type"].partition(";")[0]
    schema = told["content"][kind]["schema"]
    if kind == "application/json":
        jsonschema.validate(
            answer.json, schema | {"components": document["components"]}, jsonschema.Draft202012Validator
        )


def test_every_reference_leads_somewhere_and_every_schema_is_one(document: dict[str, Any]) -> None:
    def references(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            if isinstance(value.get("$ref"), str):
                yield value["$ref"]
            for one in value.values():
                yield from references(one)
        for one in value if isinstance(value, list) else ():
            yield from references(one)

    for reference in set(references(document)):
        place: Any = document
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    ids = [told["operationId"] for path in document["paths"].values() for told in path.values()]
    assert len(ids) == len(set(ids))


def test_each_operation_says_what_it_takes_and_what_it_may_answer(document: dict[str, Any]) -> None:
    assert {"/v1/models", "/v1/models/{model}", "/v1/chat/completions", "/v1/completions", "/v1/embeddings"} < set(
        document["paths"]
    )
    chat = document["paths"]["/v1/chat/completions"]["post"]
    assert set(chat["responses"]["200"]["content"]) == {"application/json", "text/event-stream"}
    assert {"400", "401", "403", "404", "413", "429", "502", "503", "507"} < set(chat["responses"])
    taken = document["components"]["schemas"]["ChatRequest"]
    assert taken["additionalProperties"] is False
    assert taken["properties"]["temperature"]["anyOf"][0]["maximum"] == 2


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", {"messages": MESSAGES, "max_tokens": 3, "logprobs": True}),
        ("/v1/chat/completions", {"messages": MESSAGES, "max_tokens": 3, "n": 2}),
        ("/v1/chat/completions", {"messages": MESSAGES, "max_tokens": 3, "stream": True}),
        ("/v1/chat/completions", {"messages": []}),
        ("/v1/completions", {"prompt": "Zoë", "max_tokens": 3, "logprobs": 1}),
        ("/v1/responses", {"input": "Zoë", "max_output_tokens": 3}),
        ("/v1/responses", {"input": "Zoë", "store": True}),
        ("/v1/embeddings", {"input": "Zoë"}),
        ("/v1/tokens/count", {"text": "Zoë"}),
        ("/v1/chat/completions/tokenizer/encode/count", {"messages": MESSAGES}),
    ],
)
def test_answers_are_as_the_document_says(house: House, document: dict[str, Any], path: str, body: Any) -> None:
    check(document, path, "post", ask(house, path, {"model": "also"} | body))


def test_models_and_errors_are_as_the_document_says(house: House, document: dict[str, Any]) -> None:
    check(document, "/v1/models", "get", ask(house, "/v1/models"))
    check(document, "/v1/models/{model}", "get", ask(house, "/v1/models/also"))
    check(document, "/v1/models/{model}", "get", ask(house, "/v1/models/nobody"))
    check(document, "/openapi.json", "get", ask(house, "/openapi.json"))
    check(document, "/v1/models", "get", ask(house, "/v1/models", b"{}", method="POST"))
