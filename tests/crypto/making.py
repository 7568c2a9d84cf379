"""A log of a test: its tiles, its keys, and receipts from it, the same ones each time."""

import base64
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from crypto import notes, tree

VECTORS = Path(__file__).parent / "vectors"
ORIGIN = "weir.example/log/1"
WITNESSES = ("one.example/witness", "two.example/witness", "three.example/witness")
SECONDS = 1_764_547_200
"""2025-12-01 00:00 UTC."""


def vectors(name: str) -> Any:
    return json.loads((VECTORS / f"{name}.json").read_text())


def digest(label: str) -> bytes:
    """32 bytes that look random: a salt, or a private key that everybody knows."""
    return hashlib.sha256(label.encode()).digest()


def private(name: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(digest(f"private key of {name}"))


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


class Log:
    """Leaves in tiles in memory."""

    def __init__(self, leaves: Sequence[bytes] = ()) -> None:
        self.tiles: dict[tuple[int, int], bytes] = {}
        self.size = 0
        self.add(leaves)

    def read(self, level: int, number: int) -> bytes:
        return self.tiles.get((level, number), b"")

    def add(self, leaves: Sequence[bytes]) -> None:
        self.tiles.update(tree.append(self.read, self.size, leaves))
        self.size += len(leaves)

    def root(self, size: int | None = None) -> bytes:
        return tree.root(self.read, self.size if size is None else size)

    def inclusion(self, index: int, size: int | None = None) -> list[bytes]:
        return tree.inclusion(self.read, index, self.size if size is None else size)

    def consistency(self, old: int, new: int | None = None) -> list[bytes]:
        return tree.consistency(self.read, old, self.size if new is None else new)


def text_of(facts: dict[str, Any]) -> str:
    """An entry or a document as the portal writes it."""
    return json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def entry(action: str, object_id: str, **detail: Any) -> str:
    """The text of an entry of the audit log."""
    facts = {
        "at": "2025-11-30T23:15:00.123456+00:00", "action": action, "actor_id": "p1", "actor": "mei@weir.example",
        "object_type": "thing", "object_id": object_id, "object_label": "Löhne nach Region", "dataset_id": "d1",
        "person_id": "p1", "changes": {}, "detail": detail,
    }  # fmt: skip
    return text_of(facts)


def document_sha256(document: str, salt: bytes) -> str:
    return hashlib.sha256(salt + document.encode()).hexdigest()


FILE = b"region,wage\nnorth,24.5\n"
DOCUMENTS = {
    "answer": text_of({"answer": "a1", "record": {"epsilon": 0.5}, "result": {"lines": [[24.0625, 1e-07]]}}),
    "release": text_of(
        {
            "outputs": [{"name": "wages.csv", "sha256": hashlib.sha256(FILE).hexdigest()}],
            "release": "r1",
        }
    ),
}
SALTS = {kind: digest(f"salt of the {kind}") for kind in DOCUMENTS}
RECORDED = {kind: document_sha256(text, SALTS[kind]) for kind, text in DOCUMENTS.items()}
ENTRIES = {
    3: entry("answer.released", "a1", charge="l1", document_sha256=RECORDED["answer"], facts={"mu": 0.1}),
    5: entry("budget.commit", "l1", units=7),
    100: entry("release.recorded", "r1", document_sha256=RECORDED["release"]),
    127: entry("dataset.publish", "d1"),
}
KINDS = {"answer": (3, 5), "charge": (5,), "release": (100,), "entry": (127,)}
SIZE = 128


def salt(index: int) -> bytes:
    return digest(f"salt of leaf {index}")


def example(size: int = SIZE) -> Log:
    """The log of the receipts: four entries, and leaves without one."""
    texts = (ENTRIES.get(index, "") for index in range(size))
    return Log([tree.leaf_hash(salt(index), text.encode()) for index, text in enumerate(texts)])


def signed(log: Log, size: int | None = None, witnesses: Sequence[str] = ()) -> str:
    """A checkpoint of a log, signed by it and by witnesses."""
    size = log.size if size is None else size
    text = notes.Checkpoint(ORIGIN, size, log.root(size)).text
    lines = [notes.cosign(text, name, private(name), SECONDS + at) for at, name in enumerate(witnesses)]
    return f"{text}\n{notes.sign(text, ORIGIN, private(ORIGIN))}{''.join(lines)}"


def receipt(kind: str, witnesses: Sequence[str] = (), log: Log | None = None) -> dict[str, Any]:
    log = log or example()
    found = [proven(log, index, ENTRIES[index]) for index in KINDS[kind]]
    salt_of_document = SALTS[kind].hex() if kind in SALTS else ""
    return whole(kind, found, signed(log, witnesses=witnesses), DOCUMENTS.get(kind, ""), salt_of_document)


def receipt_of(kind: str, *payloads: str, document: str = "", salt_of_document: str = "") -> dict[str, Any]:
    """A receipt of entries with these texts, whatever they say: the log has signed them."""
    log = Log([tree.leaf_hash(salt(index), text.encode()) for index, text in enumerate(payloads)])
    found = [proven(log, index, text) for index, text in enumerate(payloads)]
    return whole(kind, found, signed(log), document, salt_of_document)


def proven(log: Log, index: int, payload: str) -> dict[str, Any]:
    proof = [base64_of(step) for step in log.inclusion(index)]
    return {"payload": payload, "salt": salt(index).hex(), "index": index, "proof": proof}


def whole(
    kind: str, entries: list[Any], checkpoint: str, document: str, document_salt: str
) -> dict[str, Any]:
    return {
        "format": "weir-receipt/1", "kind": kind, "entries": entries, "checkpoint": checkpoint, "document": document,
        "document_salt": document_salt,
    }  # fmt: skip


def pins(witnesses: Sequence[str] = (), threshold: int = 0, may_cheat: int = 0) -> dict[str, Any]:
    keys = [notes.public_key(name, private(name), notes.COSIGNATURE).text for name in witnesses]
    return {
        "format": "weir-pins/1", "log": notes.public_key(ORIGIN, private(ORIGIN)).text, "witnesses": keys,
        "may_cheat": may_cheat, "threshold": threshold, "seen": None,
    }  # fmt: skip


def published() -> dict[str, Any]:
    """What vectors/receipts.json holds: receipts with whether they hold, for whoever writes another verifier."""
    trusted = pins(WITNESSES, threshold=2)
    good = {kind: receipt(kind, witnesses=WITNESSES[:2]) for kind in KINDS}
    answer = good["answer"]
    first, second = answer["entries"]
    other = example(SIZE + 64)
    cases = [(f"a receipt of kind {kind}", trusted, each, True) for kind, each in good.items()]
    cases += [
        ("no witness is pinned", pins(), receipt("charge"), True),
        ("one of three witnesses, two are required", trusted, receipt("charge", witnesses=WITNESSES[:1]), False),
        ("the threshold lets two histories pass", {**trusted, "threshold": 1}, answer, False),
        ("another document", trusted, {**answer, "document": answer["document"].replace("24.0625", "24.0626")}, False),
        ("another salt of the document", trusted, {**answer, "document_salt": SALTS["release"].hex()}, False),
        ("without the document", trusted, {**answer, "document": "", "document_salt": ""}, True),
        ("entries in another order", trusted, {**answer, "entries": [second, first]}, False),
        ("another index", trusted, {**answer, "entries": [{**first, "index": 2}, second]}, False),
        ("another salt", trusted, {**answer, "entries": [{**first, "salt": salt(4).hex()}, second]}, False),
        ("a shorter proof", trusted, {**answer, "entries": [{**first, "proof": first["proof"][:-1]}, second]}, False),
        ("a checkpoint of another size", trusted, {**answer, "checkpoint": signed(other, witnesses=WITNESSES)}, False),
        ("a log with the same name and another key", trusted, {**answer, "checkpoint": forged(answer)}, False),
        ("an unknown field", trusted, {**answer, "note": ""}, False),
        ("another kind", trusted, {**good["charge"], "kind": "release"}, False),
        ("another format", trusted, {**answer, "format": "weir-receipt/2"}, False),
        ("the charge of another answer", pins(), receipt_of("answer", ENTRIES[3], entry("budget.commit", "l2")), False),
    ]  # fmt: skip
    names = ("name", "pins", "receipt", "holds")
    return {"cases": [dict(zip(names, case, strict=True)) for case in cases]}


def forged(receipt: dict[str, Any]) -> str:
    """The same checkpoint, signed by somebody who is not the log."""
    text, (_, *others) = notes.opened(receipt["checkpoint"])
    signature = notes.sign(text, ORIGIN, private("somebody"))
    return f"{text}\n{signature}" + "".join(f"{line}\n" for line in others)
