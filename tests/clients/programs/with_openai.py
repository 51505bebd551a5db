"""The `openai` package: what a user of it does, and which of its errors each refusal becomes."""

import json
import os
import queue
import threading

import openai

NOTE = [{"role": "user", "content": "Priya will send the budget by Friday."}]
MODEL = "qwen2.5-0.5b"
client = openai.OpenAI(base_url=os.environ["BASE_URL"], api_key="not-needed", max_retries=0)
told = {"models": [model.id for model in client.models.list()], "one": client.models.retrieve(MODEL).id}


def failure(call, **keys):
    try:
        call(**keys)
    except openai.APIStatusError as error:
        after = error.response.headers.get("retry-after")
        return [type(error).__name__, error.status_code, error.code, error.param, after]
    return None


def chat(**keys):
    return client.chat.completions.create(
        **{"model": MODEL, "messages": NOTE, "max_tokens": 60, "temperature": 0} | keys
    )


whole = chat()
told["text"], told["model"] = whole.choices[0].message.content, whole.model
told["usage"] = [whole.usage.prompt_tokens, whole.usage.completion_tokens, whole.usage.total_tokens]
chunks = list(chat(stream=True, stream_options={"include_usage": True}))
told["streamed"] = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
told["streamed_usage"] = chunks[-1].usage.completion_tokens
schema = {"type": "object", "properties": {"day": {"enum": ["Monday", "Friday"]}}, "required": ["day"],
          "additionalProperties": False}  # fmt: skip
held = {"type": "json_schema", "json_schema": {"name": "day", "strict": True, "schema": schema}}
told["json"] = json.loads(chat(response_format=held).choices[0].message.content)
told["completion"] = client.completions.create(model=MODEL, prompt="Priya", max_tokens=5, temperature=0).choices[0].text
told["answer"] = client.responses.create(model=MODEL, input=NOTE[0]["content"], max_output_tokens=60, store=False,
                                         temperature=0).output_text  # fmt: skip
told["errors"] = {
    "unknown": failure(chat, model="no-such-model"),
    "long": failure(chat, messages=[{"role": "user", "content": "word " * 4000}]),
    "embeddings": failure(client.embeddings.create, model=MODEL, input="x"),
    "parameter": failure(chat, extra_body={"no_such_parameter": 1}),
    "tools": failure(chat, tools=[{"type": "function", "function": {"name": "f", "parameters": schema}}]),
}

# one that is answered, one that waits, one too many
first = chat(model="slow", stream=True)
next(iter(first))
ended = queue.Queue()
for _ in range(2):
    threading.Thread(target=lambda: ended.put(failure(chat, model="slow", max_tokens=4))).start()
told["refused"] = ended.get()
first.close()  # the client goes in the middle of an answer
told["waited"] = ended.get()
print(json.dumps(told))
