"""Our own demo models under the repositories that the catalogue names: what the workshop downloads and runs."""

from hub.loopback import Repository
from shortlist import demo
from shortlist.models.catalogue import load_library

WORKSHOP = {"mistral-7b": "notes-large", "gemma-2-2b": "notes-medium", "qwen2.5-0.5b": "notes-small"}
"""What the workshop downloads → which demo model stands behind the name here."""


def workshop_repositories() -> dict[str, Repository]:
    """A repository for each, with the file that the alias alone means."""
    library, served = load_library(), {}
    for alias, stand_in in WORKSHOP.items():
        found = library.find(alias)
        assert found.variant is not None
        assert found.variant.repository is not None
        files = {file.path: demo.demo_model_path(stand_in).read_bytes() for file in found.variant.files}
        tag = f"license:{(found.card.licence or 'unknown').lower()}"
        served[found.variant.repository] = Repository(files, ("gguf", tag))
    return served
