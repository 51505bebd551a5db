"""foundry-local-sdk 0.5.1 where no service runs: it starts one by the command line, and finds it."""

import json

from foundry_local import FoundryLocalManager

manager = FoundryLocalManager("notes-small")
print(json.dumps({"endpoint": manager.endpoint, "loaded": [one.alias for one in manager.list_loaded_models()]}))
