"""`shortlist model`: which models there are, what they take and what their licences ask."""

import click

from shortlist.cli import LazyGroup

KNOWN = {
    "list": ("shortlist.cli.model_list", "Models that are known here, filtered."),
    "info": ("shortlist.cli.model_info", "One model: facts with sources, fit, licence."),
    "search": ("shortlist.cli.model_search", "Ask the Hub for models."),
    "download": ("shortlist.cli.model_download", "Fetch models, resumed and verified."),
    "outdated": ("shortlist.cli.model_update:outdated", "Pinned models that have a newer commit."),
    "update": ("shortlist.cli.model_update:update", "Bring pinned models to their newest commit."),
    "run": ("shortlist.cli.model_run", "Ask a model once, or talk to it."),
    "load": ("shortlist.cli.model_load", "Have the service load a model now."),
    "unload": ("shortlist.cli.model_load:unload", "Have the service unload a model, or all."),
    "add": ("shortlist.cli.model_add", "Give a GGUF file or ONNX folder a name, where it lies."),
    "remove": ("shortlist.cli.cache_remove", "Forget an added model, or free what a model takes in the cache."),
    "card": ("shortlist.cli.model_card", "Make and check model cards."),
}


@click.group(name="model", cls=LazyGroup, known=KNOWN, context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Models: what there is, what it takes, what its licence asks.

    A MODEL is an alias (`qwen2.5-1.5b`, `qwen2.5-1.5b@q4_k_m`), a Foundry Local id, an Ollama name (`qwen3:4b`),
    `hf:owner/repository[/file][@revision]`, or a path.
    """
