"""An authenticator in Python: makes passkeys and signs with them as a phone or a security key would."""

import hashlib
import json
import os
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fido2 import cbor
from fido2.cose import ES256

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


def text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclass
class SoftKey:
    """One passkey. `origin` is the page that asks; `verified` whether its holder gave a finger or a PIN."""

    origin: str = "http://localhost:8000"
    rp_id: str = "localhost"
    verified: bool = True
    user_handle: str = ""
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    id: bytes = field(default_factory=lambda: os.urandom(32))

    def create(self, options: dict[str, Any], **changes: Any) -> str:
        """The answer to navigator.credentials.create()."""
        given = options["publicKey"]
        self.user_handle = given["user"]["id"]
        public = cbor.encode(ES256.from_cryptography_key(self.key.public_key()))
        held = bytes(16) + len(self.id).to_bytes(2, "big") + self.id + public
        statement = {"fmt": "none", "attStmt": {}, "authData": self._about(ATTESTED) + held}
        response = {
            "clientDataJSON": text(self._client("webauthn.create", given["challenge"], changes)),
            "attestationObject": text(cbor.encode(statement)),
        }
        return self._answer(response, {"credProps": {"rk": True}})

    def get(self, options: dict[str, Any], **changes: Any) -> str:
        """The answer to navigator.credentials.get()."""
        client = self._client("webauthn.get", options["publicKey"]["challenge"], changes)
        about = self._about(0)
        signature = self.key.sign(about + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        response = {
            "clientDataJSON": text(client),
            "authenticatorData": text(about),
            "signature": text(signature),
            "userHandle": self.user_handle,
        }
        return self._answer(response, {})

    def _client(self, kind: str, challenge: str, changes: dict[str, Any]) -> bytes:
        said = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False, **changes}
        return json.dumps(said).encode()

    def _about(self, flags: int) -> bytes:
        flags |= PRESENT | (VERIFIED if self.verified else 0)
        return hashlib.sha256(self.rp_id.encode()).digest() + bytes([flags]) + bytes(4)

    def _answer(self, response: dict[str, str], extensions: dict[str, Any]) -> str:
        name = text(self.id)
        return json.dumps(
            {
                "id": name,
                "rawId": name,
                "type": "public-key",
                "response": response,
                "clientExtensionResults": extensions,
            }
        )
