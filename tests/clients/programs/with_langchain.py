"""LangChain's `ChatOpenAI`."""

import json
import os

import openai
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

NOTE = "Priya will send the budget by Friday."
place = {"base_url": os.environ["BASE_URL"], "api_key": "not-needed", "max_retries": 0}
model = ChatOpenAI(model="gemma-2-2b", temperature=0, max_tokens=60, stream_usage=True, **place)
reply = model.invoke(NOTE)
told = {"text": reply.content, "usage": reply.usage_metadata, "model": reply.response_metadata["model_name"]}
pieces = list(model.stream(NOTE))
told["streamed"] = "".join(piece.content for piece in pieces)
told["streamed_usage"] = next(piece.usage_metadata for piece in reversed(pieces) if piece.usage_metadata)
schema = {"title": "Day", "type": "object", "properties": {"day": {"enum": ["Monday", "Friday"]}}, "required": ["day"],
          "additionalProperties": False}  # fmt: skip
held = ChatOpenAI(model="gemma-2-2b", temperature=0, max_tokens=400, **place)
told["json"] = held.with_structured_output(schema, method="json_schema").invoke(NOTE)
told["batch"] = [one.content for one in model.batch([NOTE, NOTE], config={"max_concurrency": 1})]


def failure(call, *given):
    try:
        call(*given)
    except openai.APIStatusError as error:
        return [[kind.__name__ for kind in type(error).__mro__], error.code]
    return None


told["long"] = failure(model.invoke, "word " * 4000)
told["unknown"] = failure(ChatOpenAI(model="no-such-model", **place).invoke, NOTE)
told["embeddings"] = failure(
    OpenAIEmbeddings(model="gemma-2-2b", check_embedding_ctx_length=False, **place).embed_query, NOTE
)
print(json.dumps(told))
