"""The protocol of uploads: tus 1.0 with creation, checksum and termination.

A client begins an upload (POST), sends its bytes in chunks (PATCH), asks where to continue (HEAD), or gives it up
(DELETE). Nothing here knows what an upload is; `offset_of` and `length_of` of an endpoint do.
"""

import base64
import hashlib
import re
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.response import Response

from common.errors import Refused, TooLarge
from common.rest.bodies import refuse_compressed
from common.rest.endpoints import Endpoint, operation_of, speaks
from common.rest.grants import Call
from common.rest.problems import Invalid
from common.rest.schema import Header

VERSION = "1.0.0"
EXTENSIONS = "creation,checksum,termination"
CHUNK_TYPE = "application/offset+octet-stream"
ALGORITHMS = ("sha1", "sha256")
METADATA_LIMIT = 4000
SHA256 = re.compile(r"[0-9a-f]{64}")
OVERRIDES = frozenset({"PATCH", "DELETE"})
BASE64 = r"([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?"
SPOKEN = Header(pattern=r"^1\.0\.0$")
BYTES = Header(pattern=r"^[0-9]{1,18}$")
PAIR = rf"[!-+\--~]+( {BASE64})?"
METADATA = Header(pattern=rf"^{PAIR}(,{PAIR})*$", required=False)
CHECKSUM = Header(pattern=rf"^({'|'.join(ALGORITHMS)}) {BASE64}$", required=False)


class OtherVersion(Refused):
    """The client speaks another version of tus, or does not say which."""

    code = "tus_version"


class WrongSum(Refused):
    """The bytes that arrived are not those that were sent."""

    code = "checksum"


class TusEndpoint(Endpoint):
    """An address that speaks tus. Its answers name the protocol, and where the upload stands once that is known."""

    standing: Mapping[str, str] = {}
    """Headers that say where the upload stands."""

    def initialize_request(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        """Let clients behind proxies that know neither PATCH nor DELETE send a POST instead, as the protocol says."""
        method = request.headers.get("X-HTTP-Method-Override", "").upper()
        if request.method == "POST" and method in OVERRIDES:
            request.method = method
        return super().initialize_request(request, *args, **kwargs)

    def initial(self, request: Any, *args: Any, **kwargs: Any) -> None:
        """Check the version of the protocol besides."""
        super().initial(request, *args, **kwargs)
        if operation_of(self, request.method) is None:
            return  # it will be refused for its method
        given = request.headers.get("Tus-Resumable")
        expected = request.method in {"POST", "PATCH"}
        if request.method != "OPTIONS" and given != VERSION and (expected or given is not None):
            raise OtherVersion(
                f"Send the header “Tus-Resumable: {VERSION}”. The portal knows no other version."
            )

    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        for name, value in {"Tus-Resumable": VERSION, "Tus-Version": VERSION, **self.standing}.items():
            response[name] = value
        return response

    @speaks(is_open=True)
    def options(self, request: Call, **kwargs: Any) -> Response:
        """Say which version and extensions of tus the portal speaks."""
        return Response(
            status=204,
            headers={
                "Allow": ", ".join(self.allowed_methods),
                "Tus-Extension": EXTENSIONS,
                "Tus-Max-Size": str(settings.UPLOAD_LIMIT),
                "Tus-Checksum-Algorithm": ",".join(ALGORITHMS),
            },
        )


def length_of(call: Call) -> int:
    """Return the length of the file that the call announces. Raises Invalid."""
    return _number(call, "Upload-Length")


def offset_of(call: Call) -> int:
    """Return where in the file the chunk of the call begins. Raises Invalid."""
    return _number(call, "Upload-Offset")


def _number(call: Call, header: str) -> int:
    text = call.headers.get(header, "")
    if not (text.isascii() and text.isdecimal() and len(text) <= 18):
        raise Invalid(f"Send the header {header}: a whole number of bytes.")
    return int(text)


def metadata_of(call: Call) -> dict[str, str]:
    """Return the metadata of the call, decoded. Raises Invalid."""
    header = call.headers.get("Upload-Metadata", "")
    pairs = [pair.split() for pair in header.split(",") if pair.strip()]
    if len(header) > METADATA_LIMIT or not all(1 <= len(pair) <= 2 for pair in pairs):
        raise _bad_metadata()
    found = {pair[0]: _decoded(pair[1]) if len(pair) > 1 else "" for pair in pairs}
    if len(found) < len(pairs):
        raise _bad_metadata()
    return found


def _decoded(text: str) -> str:
    try:
        decoded = base64.b64decode(text, validate=True).decode()
    except ValueError as bad:  # of base64, or of UTF-8
        raise _bad_metadata() from bad
    if not decoded.isprintable():
        raise _bad_metadata()
    return decoded


def _bad_metadata() -> Invalid:
    return Invalid(
        "Send the header Upload-Metadata as pairs of a key and a printable text in Base64, separated by commas, "
        f"at most {METADATA_LIMIT:,} characters: “filename cGVvcGxlLmNzdg==”."
    )


def encoded(metadata: Mapping[str, str]) -> str:
    """Return metadata as a header."""
    return ",".join(
        f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in metadata.items() if value
    )


def chunk_of(call: Call) -> bytes:
    """Return the chunk of the call. Raises WrongSum if its checksum does not match, Invalid if that is malformed."""
    if call.content_type.partition(";")[0].strip().lower() != CHUNK_TYPE:
        raise UnsupportedMediaType("", detail=f"Send a chunk as {CHUNK_TYPE}.")
    refuse_compressed(call)
    # Not call.data: REST framework's requests are freed by the garbage collector alone, so chunks would pile up.
    chunk: bytes = call.stream.read(settings.UPLOAD_CHUNK + 1) if call.stream else b""
    if len(chunk) > settings.UPLOAD_CHUNK:
        raise TooLarge(f"Send at most {settings.UPLOAD_CHUNK:,} bytes in one chunk.")
    header = call.headers.get("Upload-Checksum", "")
    if not header:
        return chunk
    algorithm, _, text = header.partition(" ")
    try:
        wanted = base64.b64decode(text.strip(), validate=True)
    except ValueError as bad:  # of Base64, or of a letter beyond ASCII
        raise Invalid(
            "The checksum in Upload-Checksum is not Base64. Encode the digest of the chunk in Base64."
        ) from bad
    if algorithm not in ALGORITHMS:
        raise Invalid(f"Send Upload-Checksum with one of these algorithms: {', '.join(ALGORITHMS)}.")
    if hashlib.new(algorithm, chunk, usedforsecurity=False).digest() != wanted:
        raise WrongSum("The checksum of this chunk does not match, so it was not stored. Send it again.")
    return chunk
