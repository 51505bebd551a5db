"""The Hub, asked: a search, what a repository holds, and the first bytes of a file, through huggingface_hub, which is
loaded when something is asked; HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE are honoured.

The live Hub was not reached when this was written: a loopback server that speaks its protocol stands in the tests.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from shortlist import gguf
from shortlist.errors import HubError, InvalidModel
from shortlist.gguf import GgufHeader
from shortlist.models.hub_client import (
    TIMEOUT_S,
    endpoint,
    is_offline,
    raise_for_status,
    request_headers,
    session,
    telling,
)
from shortlist.records import Json, ModelFile

__all__ = ["Contact", "Hit", "contact", "is_offline", "read_remote_header", "search"]

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
    """A repository as the Hub has it now: its commit, and each file with size and digest where it tells them.

    `git_ids`: git's own digest of each file, which is all there is for small ones.
    """

    repository: str
    revision: str
    files: Mapping[str, ModelFile]
    licence: str | None
    is_gated: bool
    git_ids: Mapping[str, str] = field(default_factory=dict)


class _Lfs(msgspec.Struct):
    sha256: str


class _Sibling(msgspec.Struct):
    rfilename: str
    size: int | None = None
    blobId: str | None = None  # noqa: N815 - the Hub's name
    lfs: _Lfs | None = None


class _Info(msgspec.Struct):
    """What the Hub tells of a repository, as far as it is used."""

    sha: str
    siblings: list[_Sibling] = []
    tags: list[str] = []
    gated: bool | str = False


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
    at = f"/revision/{quote(revision, safe='')}" if revision else ""
    told = _get_json(f"/api/models/{quote(repository)}{at}", [("blobs", "true")], what=repository)
    try:
        info = msgspec.convert(told, _Info)
    except msgspec.ValidationError as error:
        raise HubError(f"{repository}: the Hub's answer is not what it should be: {error}") from None
    files = {
        one.rfilename: ModelFile(one.rfilename, one.size, one.lfs.sha256 if one.lfs else None) for one in info.siblings
    }
    git_ids = {one.rfilename: one.blobId for one in info.siblings if one.blobId and not one.lfs}
    return Contact(repository, info.sha, files, _licence(info.tags), bool(info.gated), git_ids)


def read_remote_header(repository: str, file: str, revision: str | None = None) -> GgufHeader:
    """The header of a GGUF file on the Hub, by one ranged read (a second where 12 MiB do not hold it).

    The bytes lie at the start of an empty file of the remote one's length, so that every check holds as for a file
    that is here. Raises HubError, InvalidModel.
    """
    from huggingface_hub import hf_hub_url

    url = hf_hub_url(repository, file, revision=revision, endpoint=endpoint())
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


def _read_range(url: str, what: str, count: int) -> tuple[bytes, int]:
    """The first bytes of a file and its whole length. Raises HubError for a server that does not cut."""
    headers = {**request_headers(), "Range": f"bytes=0-{count - 1}", "Accept-Encoding": "identity"}
    with telling(what), session().stream("GET", url, headers=headers, timeout=TIMEOUT_S) as reply:
        raise_for_status(reply)
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


def _get_json(path: str, asked: list[tuple[str, str]], *, what: str = "") -> Any:
    """An answer of the Hub, of bounded size. Raises HubError."""
    url = f"{endpoint()}{path}"
    with (
        telling(what or url),
        session().stream("GET", url, params=tuple(asked), headers=request_headers(), timeout=TIMEOUT_S) as reply,
    ):
        raise_for_status(reply)
        body = bytearray()
        for chunk in reply.iter_bytes():
            body += chunk
            if len(body) > MAX_REPLY_BYTES:
                raise HubError(f"{url}: the answer is larger than {MAX_REPLY_BYTES // 10**6} MB")
    try:
        return msgspec.json.decode(bytes(body))
    except msgspec.DecodeError as error:
        raise HubError(f"{url}: the answer is not JSON: {error}") from None


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


def ping(timeout_s: float) -> str:
    """The address of the Hub, if it answers a small question within the time. Raises HubError, BadInput."""
    place = endpoint()
    with telling(place):
        reply = session().get(
            f"{place}/api/models", params={"search": "gguf", "limit": "1"}, headers=request_headers(), timeout=timeout_s
        )
        raise_for_status(reply)
    return place
