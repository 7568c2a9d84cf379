"""What an approval is bound to, as one hash: the code, its parameters, the data revision, the environment."""

import hashlib
import json
from collections.abc import Mapping

from common import fingerprints


def of(
    *, code: str, parameters: Mapping[str, object], revision: str, revision_sha256: str, environment: str
) -> str:
    """Return the SHA-256 of everything that a run's answer depends on, as canonical JSON."""
    text = json.dumps(
        {
            "code": code,
            "parameters": dict(parameters),
            "revision": revision,
            "revision_sha256": revision_sha256,
            "environment": environment,
        },
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
    )
    return hashlib.sha256(text.encode()).hexdigest()


def of_code(code: str) -> str:
    """Return the SHA-256 of the code alone, as `sha256sum` prints it for the downloaded file."""
    return hashlib.sha256(code.encode()).hexdigest()


def of_output(sha256: str) -> str:
    """Return the keyed fingerprint that the audit log and an auditor's record show for a file."""
    return fingerprints.keyed("requests_app.output", sha256)
