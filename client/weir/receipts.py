"""Receipts: what the portal's signed log says of an answer, a release or a charge, to be verified without the portal.

receipt = Receipt.read("answer.receipt.json"); receipt.verify(pins.read("pins.json"))
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weir import strict
from weir.checks import Check, all_hold, fails, holds, remark
from weir.logtree import LONGEST_PROOF, MAX_LEAVES, leaf_hash, verify_inclusion
from weir.notes import MAX_NOTE, Checkpoint
from weir.pins import Pins
from weir.strict import Malformed, shown

FORMAT = "weir-receipt/1"
MOST_BYTES = 16 * 2**20
MOST_PARTS = 20_000
"""Strings in a receipt, and characters outside them: five times what the longest proofs need."""
FIELDS = {"format", "kind", "entries", "checkpoint", "document", "document_salt"}
KINDS: Mapping[str, tuple[str, ...]] = {
    "answer": ("answer.released", "budget.commit"),
    "joint_answer": ("joint.released",),
    "charge": ("budget.commit",),
    "release": ("release.recorded",),
    "entry": ("",),
}
"""The actions of the entries that a receipt of each kind has, in this order; "" for any."""
DOCUMENTS = ("answer", "joint_answer", "release")
"""Kinds with a document. Its field of the same name is the id of what the first entry is about."""
FIGURES = ("answer", "joint_answer")
"""Kinds whose document has figures in `result`."""
FACTS = ("action", "at", "object_id", "dataset_id", "person_id")


@dataclass(frozen=True)
class LoggedEntry:
    """An entry of the log: its exact text, its salt (32 bytes), its place among the leaves, and the proof of it."""

    payload: str
    salt: bytes
    index: int
    proof: tuple[bytes, ...]

    @property
    def facts(self) -> dict[str, Any]:
        """What the entry says: action, at, actor, object_id, detail and so on. Raises Malformed."""
        found = strict.parsed(self.payload, f"Entry {self.index}")
        if not isinstance(found, dict) or not isinstance(found.get("detail"), dict):
            raise Malformed(f"Entry {self.index} is not an entry of an audit log.")
        for name in FACTS:
            strict.text(found.get(name), f"“{name}” of entry {self.index}")
        return found

    def is_under(self, signed: Checkpoint) -> bool:
        """Return whether its proof leads to the root of a checkpoint."""
        leaf = leaf_hash(self.salt, self.payload.encode())
        return verify_inclusion(leaf, self.index, signed.size, self.proof, signed.root)


class Receipt:
    """A receipt, as the portal gives it. Nothing of it is verified until `verify` is called.

    receipt.kind, receipt.entries, receipt.document, receipt.checkpoint, receipt.save("answer.receipt.json")
    """

    def __init__(self, details: Mapping[str, Any]) -> None:
        """Raises Malformed for what does not have the form of a receipt, with whatever else is in it."""
        found = strict.fields(details, FIELDS, "The receipt")
        if found["format"] != FORMAT:
            raise Malformed(f"The receipt is not of the format {FORMAT}, which this version reads.")
        kind = strict.text(found["kind"], "The kind of the receipt")
        if kind not in KINDS:
            raise Malformed(f"“{shown(kind)}” is no kind of receipt: {', '.join(KINDS)}.")
        self.kind = kind
        self.entries = tuple(map(_entry, strict.several(found["entries"], 2, "The list of entries")))
        self.checkpoint = strict.text(found["checkpoint"], "The checkpoint")
        self.document = strict.text(found["document"], "The document")
        salt = strict.text(found["document_salt"], "The salt of the document")
        self.salt = strict.hash_of_hex(salt, "The salt of the document") if salt else b""
        self._must_fit()

    def _must_fit(self) -> None:
        if len(self.entries) != len(KINDS[self.kind]):
            raise Malformed(f"A receipt of kind “{self.kind}” has {len(KINDS[self.kind])} entries.")
        if bool(self.document) != bool(self.salt):
            raise Malformed("A document and its salt belong together: one of them is missing.")
        if self.document and self.kind not in DOCUMENTS:
            raise Malformed(f"A receipt of kind “{self.kind}” has no document.")
        if len(self.checkpoint) > MAX_NOTE:
            raise Malformed("The checkpoint is too long.")

    @classmethod
    def read(cls, path: Path | str) -> Receipt:
        """Read a file. Raises Malformed for what is no receipt, or is longer than 16 MB."""
        with Path(path).open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise Malformed(f"The receipt has more than {MOST_BYTES // 2**20} MB.")
        return cls(strict.parsed(content, "The receipt", most=MOST_PARTS))

    def save(self, to: Path | str) -> Path:
        """Write it to a file."""
        path = Path(to)
        path.write_text(json.dumps(self.details, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        return path

    @property
    def details(self) -> dict[str, Any]:
        """The receipt as the portal gives it."""
        return {
            "format": FORMAT,
            "kind": self.kind,
            "entries": [
                {
                    "payload": each.payload,
                    "salt": each.salt.hex(),
                    "index": each.index,
                    "proof": [strict.encoded(step) for step in each.proof],
                }
                for each in self.entries
            ],
            "checkpoint": self.checkpoint,
            "document": self.document,
            "document_salt": self.salt.hex(),
        }

    @property
    def files(self) -> dict[str, str]:
        """The names of the files that a release's document records, by their SHA-256 in hex digits."""
        found = _of_document(self) if self.kind == "release" and self.document else {}
        outputs = found.get("outputs")
        listed = [each for each in outputs if isinstance(each, dict)] if isinstance(outputs, list) else []
        return {str(each.get("sha256")): str(each.get("name")) for each in listed}

    def verify(self, pins: Pins, files: Sequence[Path | str] = ()) -> list[Check]:
        """Check it against what you have pinned, without the portal: see `verify`."""
        return verify(self, pins, files)

    def __repr__(self) -> str:
        return (
            f"Receipt: {self.kind}, entries {', '.join(str(each.index) for each in self.entries)} of the log"
        )


def _entry(found: Any) -> LoggedEntry:
    parts = strict.fields(found, {"payload", "salt", "index", "proof"}, "An entry")
    payload = strict.text(parts["payload"], "The text of an entry")
    if not payload:
        raise Malformed("An entry has no text. Leaves without one only fill up the log.")
    proof = strict.several(parts["proof"], LONGEST_PROOF, "A proof")
    return LoggedEntry(
        payload,
        strict.hash_of_hex(parts["salt"], "The salt of an entry"),
        strict.whole(parts["index"], MAX_LEAVES - 1, "The index of an entry"),
        tuple(strict.hash_of_base64(each, "A step of a proof") for each in proof),
    )


def verify(receipt: Receipt, pins: Pins, files: Sequence[Path | str] = ()) -> list[Check]:
    """Check a receipt against what you have pinned, and files against the hashes that its document records.

    Needs the package cryptography: raises NotOffered without it. `checks.all_hold` says whether nothing fails.
    """
    checks = [holds(f"The receipt has the form {FORMAT}, of kind “{receipt.kind}”.")]
    signed, about = pins.opened(receipt.checkpoint)
    checks += about
    if signed is not None:
        if pins.seen is not None and pins.seen.size != signed.size:
            checks.append(
                remark(
                    "The checkpoint is another one than you have seen last. Whether one follows the other, only the "
                    "log can show: weir log check."
                )
            )
        try:
            checks += _entries(receipt, signed)
        except Malformed as bad:
            checks.append(fails(str(bad)))
    return [*checks, *compared([receipt] if all_hold(checks) else [], files)]


def compared(receipts: Sequence[Receipt], files: Sequence[Path | str]) -> Iterator[Check]:
    """Check that each file is one that a document of these receipts records. Give only receipts that hold.

    Of an answer that is the file with its `result` as JSON, however it is written.
    """
    if files and not receipts:
        yield fails("The files are not compared: no receipt holds.")
        return
    named = {digest: name for each in receipts for digest, name in each.files.items()}
    answers = (_of_document(each) for each in receipts if each.kind in FIGURES and each.document)
    results = set(map(_result, answers)) - {None}
    for path in map(Path, files):
        file, name = shown(path.name), named.get(_digest(path))
        if name is not None:
            yield holds(f"{file} is the file that was released as {shown(name)}, byte for byte.")
        elif results and _result_in(path) in results:
            yield holds(f"{file} has the figures of the answer. What else it says is not compared.")
        else:
            yield fails(f"{file} is none of the files that the receipts record, and no answer's JSON either.")


def _result_in(path: Path) -> str | None:
    """Return the figures in a file with an answer, in one way of writing; None for any other file."""
    with path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES or not content.lstrip().startswith(b"{"):
        return None
    try:
        return _result(strict.parsed(content, path.name))
    except Malformed:
        return None


def _result(found: Mapping[str, Any]) -> str | None:
    result = found.get("result")
    return json.dumps(result, sort_keys=True) if isinstance(result, dict) else None


def _entries(receipt: Receipt, signed: Checkpoint) -> Iterator[Check]:
    """Check what a receipt says. Nothing is read before it is known that the log has signed it."""
    missing = [each.index for each in receipt.entries if not each.is_under(signed)]
    for index in missing:
        yield fails(f"Entry {index:,} is not the leaf of this number under the signed root.")
    if not missing:
        found = [each.facts for each in receipt.entries]
        for entry, facts, action in zip(receipt.entries, found, KINDS[receipt.kind], strict=True):
            named = f"Entry {entry.index:,}, {shown(facts['action'])} at {shown(facts['at'])} by the log's own clock,"
            yield holds(f"{named} is the leaf of this number under the signed root.")
            if action not in {"", facts["action"]}:
                yield fails(f"{named} is not {action}, as this kind of receipt needs.")
        if len(found) == 2:
            yield from _charge(*found)
        yield from _document(receipt, found[0])


def _charge(answer: Mapping[str, Any], charge: Mapping[str, Any]) -> Iterator[Check]:
    """`answer`, `charge`: what the entries say."""
    same = all(answer[name] == charge[name] for name in ("dataset_id", "person_id"))
    yield Check(same, f"The entries are {'' if same else 'not '}of the same dataset and the same person.")
    named = answer["detail"].get("charge")
    if named is None:
        yield remark("The entry of the answer does not name its charge, because an earlier version wrote it.")
        return
    paid = named == charge["object_id"]
    yield Check(paid, f"The charge is {'' if paid else 'not '}the one that the entry of the answer names.")


def _document(receipt: Receipt, facts: Mapping[str, Any]) -> Iterator[Check]:
    """`facts`: what the first entry says."""
    if not receipt.document:
        if receipt.kind in DOCUMENTS:
            left_out = ", and the log has one" if "document_sha256" in facts["detail"] else ""
            yield remark(
                f"There is no document{left_out}: the receipt shows that it happened, and not with what result."
            )
        return
    index = receipt.entries[0].index
    digest = hashlib.sha256(receipt.salt + receipt.document.encode()).hexdigest()
    if facts["detail"].get("document_sha256") != digest:
        yield fails(f"The document is not the one that entry {index:,} records.")
        return
    yield holds(f"The document is the one that entry {index:,} records.")
    is_about = _of_document(receipt).get(receipt.kind) == facts["object_id"]
    yield Check(
        is_about,
        f"The document is {'' if is_about else 'not '}about the {receipt.kind.replace('_', ' ')} that the entry names.",
    )


def _of_document(receipt: Receipt) -> dict[str, Any]:
    found = strict.parsed(receipt.document, "The document")
    if not isinstance(found, dict):
        raise Malformed("The document is not an object.")
    return found


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(2**20):
            digest.update(part)
    return digest.hexdigest()
