"""The Hub, asked: a search, what a repository holds, and the first bytes of a file. The only file that imports
huggingface_hub, which is loaded when something is asked; it honours HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE.

The live Hub was not reached when this was written: a loopback server that speaks its protocol stands in the tests.
Seam: downloads belong beside this, through huggingface_hub's own functions, with the checks on hosts and redirects.
"""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shortlist import gguf
from shortlist.errors import HubError, InvalidModel
from shortlist.gguf import GgufHeader
from shortlist.records import Json, ModelFile

TIMEOUT_S = 10.0
MAX_REPLY_BYTES = 32 * 10**6
HEADER_BYTES = 12 * 2**20
MOST_HEADER_BYTES = 96 * 2**20
_EXPAND = ("downloads", "gated", "gguf", "lastModified", "likes", "safetensors", "tags")


@dataclass(frozen=True, slots=True)
class Hit:
    """A repository that a search found; None: the Hub does not say."""

    repository: str
    formats: tuple[str, ...]
    parameters: int | None
    downloads: int | None
    licence: str | None
    is_gated: bool
    updated: str | None


@dataclass(frozen=True, slots=True)
class Contact:
    """A repository as the Hub has it now: its commit, and each file with size and digest where it tells them."""

    repository: str
    revision: str
    files: Mapping[str, ModelFile]
    licence: str | None
    is_gated: bool


def is_offline() -> bool:
    """HF_HUB_OFFLINE is set: nothing may be asked."""
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


def search(text: str, *, form: str | None = None, limit: int = 20) -> list[Hit]:
    """Repositories that match, most downloaded first; `form` is `gguf` or `onnx`. Raises HubError."""
    asked = [("search", text), ("sort", "downloads"), ("direction", "-1"), ("limit", str(limit))]
    asked += [("filter", form)] if form else []
    asked += [("expand", name) for name in _EXPAND]
    found = _get_json("/api/models", asked)
    if not isinstance(found, list):
        raise HubError("the Hub's answer to a search is not a list")
    return [_hit(entry) for entry in found if isinstance(entry, dict)]


def contact(repository: str, revision: str | None = None) -> Contact:
    """What a repository holds at a revision (its newest commit). Raises HubError: unreachable, gated, not there."""
    from huggingface_hub import HfApi

    with _told(repository):
        info = HfApi().model_info(repository, revision=revision, files_metadata=True, timeout=TIMEOUT_S)
    files = {}
    for sibling in info.siblings or ():
        digest = sibling.lfs.sha256 if sibling.lfs else None
        files[sibling.rfilename] = ModelFile(sibling.rfilename, sibling.size, digest)
    if not info.sha:
        raise HubError(f"{repository}: the Hub names no commit")
    return Contact(repository, info.sha, files, _licence(info.tags or ()), bool(info.gated))


def read_remote_header(repository: str, file: str, revision: str | None = None) -> GgufHeader:
    """The header of a GGUF file on the Hub, by one ranged read (a second where 12 MiB do not hold it).

    The bytes lie at the start of an empty file of the remote one's length, so that every check holds as for a file
    that is here. Raises HubError, InvalidModel.
    """
    from huggingface_hub import hf_hub_url

    url = hf_hub_url(repository, file, revision=revision)
    wanted = HEADER_BYTES
    while True:
        head, total = _read_range(url, f"{repository}/{file}", wanted)
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder) / Path(file).name
            with place.open("wb") as out:
                out.write(head)
                out.truncate(total)
            try:
                header = gguf.read_header(place)
            except InvalidModel:
                if len(head) >= total or wanted >= MOST_HEADER_BYTES:
                    raise
                wanted = MOST_HEADER_BYTES
                continue
        if header.data_offset <= len(head):
            return header
        wanted = MOST_HEADER_BYTES


def fetch_again(repository: str, file: str, revision: str | None) -> Path:
    """One file of the cache, from the Hub anew: the old one stays until the new one is whole. Raises HubError."""
    from huggingface_hub import hf_hub_download

    what = f"{repository}/{file}"
    if is_offline():
        raise HubError(f"{what}: HF_HUB_OFFLINE is set, nothing is asked", hint="unset HF_HUB_OFFLINE")
    with _told(what):
        try:
            return Path(hf_hub_download(repository, file, revision=revision, force_download=True))
        except ValueError as error:  # what huggingface_hub makes of a first request that failed
            raise error.__cause__ or error from None


def _read_range(url: str, what: str, count: int) -> tuple[bytes, int]:
    """The first bytes of a file and its whole length. Raises HubError for a server that does not cut."""
    from huggingface_hub.utils import build_hf_headers, get_session

    headers = {**build_hf_headers(), "Range": f"bytes=0-{count - 1}", "Accept-Encoding": "identity"}
    with _told(what), get_session().stream("GET", url, headers=headers, timeout=TIMEOUT_S) as reply:
        _raise_for_status(reply)
        total = reply.headers.get("Content-Range", "").rpartition("/")[2]
        if reply.status_code == 206 and not total.isdigit():
            raise HubError(f"{what}: the server does not say how long the file is")
        length = int(total) if total.isdigit() else int(reply.headers.get("Content-Length", "0"))
        head = bytearray()
        for chunk in reply.iter_bytes():
            head += chunk
            if len(head) >= count:  # a server that ignores Range is read no further than was asked
                break
        return bytes(head[:count]), length


def _get_json(path: str, asked: list[tuple[str, str]]) -> Any:
    from huggingface_hub import constants
    from huggingface_hub.utils import build_hf_headers, get_session

    url = f"{constants.ENDPOINT}{path}"
    with (
        _told(url),
        get_session().stream("GET", url, params=tuple(asked), headers=build_hf_headers(), timeout=TIMEOUT_S) as reply,
    ):
        _raise_for_status(reply)
        body = bytearray()
        for chunk in reply.iter_bytes():
            body += chunk
            if len(body) > MAX_REPLY_BYTES:
                raise HubError(f"{url}: the answer is larger than {MAX_REPLY_BYTES // 10**6} MB")
    import msgspec

    try:
        return msgspec.json.decode(bytes(body))
    except msgspec.DecodeError as error:
        raise HubError(f"{url}: the answer is not JSON: {error}") from None


def _raise_for_status(reply: Any) -> None:
    from huggingface_hub.utils import hf_raise_for_status

    if reply.status_code >= 400:
        reply.read()
    hf_raise_for_status(reply)


@contextmanager
def _told(what: str) -> Iterator[None]:
    """What goes wrong between here and the Hub, as HubError: told apart by type, each with what to do."""
    from huggingface_hub import errors
    from huggingface_hub.utils import httpx

    try:
        yield
    except errors.GatedRepoError:
        hint = "accept its terms on its page with your account, then set HF_TOKEN"
        raise HubError(f"{what}: the Hub gives this only to those who accepted its terms", hint=hint) from None
    except errors.RepositoryNotFoundError:
        hint = "check the name; a private repository needs HF_TOKEN"
        raise HubError(f"{what}: the Hub has no such repository, or does not show it to you", hint=hint) from None
    except errors.RevisionNotFoundError:
        raise HubError(f"{what}: the Hub has no such revision of it", hint="leave the revision out") from None
    except errors.EntryNotFoundError:
        raise HubError(f"{what}: the Hub has no such file", hint="shortlist model search NAME") from None
    except errors.OfflineModeIsEnabled:
        raise HubError(f"{what}: HF_HUB_OFFLINE is set, nothing is asked", hint="unset HF_HUB_OFFLINE") from None
    except errors.HfHubHTTPError as error:
        raise HubError(f"{what}: the Hub answered: {_first_line(error)}") from None
    except (httpx.HTTPError, OSError) as error:
        told = _first_line(error) or type(error).__name__
        raise HubError(f"{what}: the Hub cannot be reached: {told}", hint="check the network, or HF_ENDPOINT") from None


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "")[:200]


def _hit(entry: Json) -> Hit:
    tags = [tag for tag in entry.get("tags") or () if isinstance(tag, str)]
    counted = [(entry.get(form) or {}).get("total") for form in ("gguf", "safetensors")]
    downloads = entry.get("downloads")
    return Hit(
        repository=str(entry.get("id", "")),
        formats=tuple(form for form in ("gguf", "onnx") if form in tags),
        parameters=next((count for count in counted if isinstance(count, int)), None),
        downloads=downloads if isinstance(downloads, int) else None,
        licence=_licence(tags),
        is_gated=bool(entry.get("gated")),
        updated=entry.get("lastModified") if isinstance(entry.get("lastModified"), str) else None,
    )


def _licence(tags: Any) -> str | None:
    return next((tag.removeprefix("license:") for tag in tags if tag.startswith("license:")), None)
