"""Tools with the `openai` package, against a model whose chat template has them."""

import json
import os

import openai

client = openai.OpenAI(base_url=os.environ["BASE_URL"], api_key="not-needed", max_retries=0)
parameters = {"type": "object", "properties": {"day": {"enum": ["Monday", "Friday"]}}, "required": ["day"],
              "additionalProperties": False}  # fmt: skip
tool = {"type": "function", "function": {"name": "book", "description": "Book a day", "parameters": parameters}}
reply = client.chat.completions.create(
    model="with-tools", messages=[{"role": "user", "content": "Book Friday"}], tools=[tool], max_tokens=100,
    temperature=0,
    tool_choice={"type": "function", "function": {"name": "book"}}, parallel_tool_calls=False,
    logit_bias=json.loads(os.environ["BIAS"]),
)  # fmt: skip
call = reply.choices[0].message.tool_calls[0]
print(json.dumps({"name": call.function.name, "arguments": json.loads(call.function.arguments),
                  "reason": reply.choices[0].finish_reason}))  # fmt: skip
