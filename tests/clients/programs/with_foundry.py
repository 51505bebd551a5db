"""foundry-local-sdk 0.5.1, as its readme uses it: by an alias, with the `openai` package for the chat."""

import json

from foundry_local import FoundryLocalManager
from openai import OpenAI

manager = FoundryLocalManager("qwen2.5-0.5b")
info = manager.get_model_info("qwen2.5-0.5b")
told = {
    "running": manager.is_service_running(), "endpoint": manager.endpoint, "id": info.id, "license": info.license,
    "catalogue": len(manager.list_catalog_models()), "place": manager.get_cache_location(),
    "cached": [one.alias for one in manager.list_cached_models()],
    "loaded": [one.id for one in manager.list_loaded_models()],
    "upgradeable": manager.is_model_upgradeable("qwen2.5-0.5b"),
}  # fmt: skip
client = OpenAI(base_url=manager.endpoint, api_key=manager.api_key)
for name in (info.id, "qwen2.5-0.5b"):
    stream = client.chat.completions.create(
        model=name, messages=[{"role": "user", "content": "Priya will send the budget by Friday."}], max_tokens=60,
        temperature=0, stream=True,
    )  # fmt: skip
    text = "".join(choice.delta.content or "" for chunk in stream for choice in chunk.choices)
    told.setdefault("texts", []).append(text)
manager.unload_model("qwen2.5-0.5b")
told["after"] = [one.id for one in manager.list_loaded_models()]
told["again"] = manager.load_model("qwen2.5-0.5b", ttl=60).id
told["errors"] = {}
for what, call in (("load", manager.load_model), ("download", manager.download_model)):
    try:
        call("phi-4-mini")
    except (ValueError, RuntimeError) as error:
        told["errors"][what] = [type(error).__name__, str(error)]
print(json.dumps(told))
