"""LiteLLM, told to send no telemetry and to fetch no table of prices."""

import json
import os

import openai

os.environ |= {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_TELEMETRY": "False"}
import litellm

litellm.telemetry = False
litellm.suppress_debug_info = True
NOTE = [{"role": "user", "content": "Priya will send the budget by Friday."}]
place = {"api_base": os.environ["BASE_URL"], "api_key": "not-needed", "num_retries": 0, "max_retries": 0}


def chat(**keys):
    asked = {"model": "openai/mistral-7b", "messages": NOTE, "max_tokens": 60, "temperature": 0} | place
    return litellm.completion(**asked | keys)


def failure(**keys):
    try:
        chat(**keys)
    except openai.APIStatusError as error:  # LiteLLM's errors are of these
        return [type(error).__name__, error.status_code]
    return None


whole = chat()
told = {"text": whole.choices[0].message.content, "usage": [whole.usage.prompt_tokens, whole.usage.completion_tokens]}
pieces = list(chat(stream=True, stream_options={"include_usage": True}))
told["streamed"] = "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices)
told["streamed_usage"] = next(
    piece.usage.completion_tokens for piece in reversed(pieces) if getattr(piece, "usage", None)
)
told["unknown"] = failure(model="openai/no-such-model")
told["long"] = failure(messages=[{"role": "user", "content": "word " * 4000}])
schema = {"type": "object", "properties": {"day": {"enum": ["Monday", "Friday"]}}, "required": ["day"],
          "additionalProperties": False}  # fmt: skip
held = {"type": "json_schema", "json_schema": {"name": "day", "strict": True, "schema": schema}}
told["json"] = json.loads(chat(response_format=held).choices[0].message.content)
print(json.dumps(told))
