"""Whom a file of pins trusts, and which files of pins are refused."""

from pathlib import Path
from typing import Any

import pytest

from crypto import notes
from tests.client.verified import TRUSTED, checks, fault
from tests.crypto import making
from tests.crypto.making import WITNESSES
from weir import pins, strict
from weir.checks import all_hold
from weir.notes import Checkpoint

ANSWER = making.receipt("answer")


def pinned(threshold: int, may_cheat: int = 0) -> pins.Pins:
    return pins.of(making.pins(WITNESSES, threshold, may_cheat))


def test_as_many_witnesses_as_are_required_have_to_sign():
    for many in range(4):
        found = checks(making.receipt("charge", witnesses=WITNESSES[:many]), pinned(2))
        assert all_hold(found) is (many >= 2)
    two = making.receipt("charge", witnesses=WITNESSES[:2])
    assert "2 of 3 pinned witnesses have signed the checkpoint, the first at 2025-12-01 00:00:00 UTC." in [
        each.sentence for each in checks(two, pinned(2))
    ]
    assert fault(two, pinned(3)) == "2 of 3 pinned witnesses have signed the checkpoint; 3 are required."
    twice = making.receipt("charge", witnesses=(WITNESSES[0], WITNESSES[0]))
    assert fault(twice, pinned(2)).startswith("1 of 3")
    assert all_hold(checks(making.receipt("charge", witnesses=["stranger"]), TRUSTED))


@pytest.mark.parametrize(
    ("threshold", "may_cheat", "sentence"),
    [
        (0, 0, "has to be at least 2"), (1, 0, "has to be at least 2"), (2, 1, "has to be at least 3"),
        (3, 3, "3 witnesses, of which 3 may cheat, cannot exclude two histories"), (4, 0, "cannot be more"),
        (2, 4, "cannot be more"),
    ],
)  # fmt: skip
def test_a_threshold_that_two_histories_could_reach_is_refused(threshold: int, may_cheat: int, sentence: str):
    with pytest.raises(strict.Malformed, match=sentence):
        pinned(threshold, may_cheat)


def test_thresholds_that_exclude_two_histories_are_taken():
    for threshold, may_cheat in ((2, 0), (3, 0), (3, 1), (3, 2)):
        assert pinned(threshold, may_cheat).threshold == threshold


GOOD = making.pins(WITNESSES, 2)
LOG, WITNESS = GOOD["log"], GOOD["witnesses"][0]
SAME_KEY = notes.public_key("other.example", making.private(WITNESSES[0]), notes.COSIGNATURE).text


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"format": "weir-pins/2"}, "is not of the format weir-pins/1"),
        ({"log": ""}, "not the text of a key"),
        ({"log": 7}, "log is not a text"),
        ({"log": WITNESS}, "The key of the log is a witness's key"),
        ({"witnesses": [LOG], "threshold": 1}, "The key of a witness is not a witness's key"),
        ({"witnesses": [WITNESS, WITNESS]}, "A key is pinned twice"),
        ({"witnesses": [WITNESS, SAME_KEY]}, "A key is pinned twice"),
        ({"witnesses": "x"}, "witnesses is not a list"),
        ({"witnesses": [WITNESS] * 33}, "witnesses is not a list of at most 32"),
        ({"threshold": True}, "threshold is not a whole number"),
        ({"threshold": 2.0}, "threshold is not a whole number"),
        ({"may_cheat": -1}, "may_cheat is not a whole number"),
        ({"seen": {}}, "seen has no “root”"),
        ({"seen": {"size": 1, "root": "A"}}, "root is not a hash"),
        ({"seen": {"size": -1, "root": "A"}}, "size is not a whole number"),
        ({"note": ""}, "has “note”, which this version does not know"),
    ],
)
def test_pins_that_are_not_quite_pins_are_refused(changes: dict[str, Any], sentence: str):
    with pytest.raises(strict.Malformed, match=sentence):
        pins.of({**GOOD, **changes})


def test_pins_are_kept_as_they_are_read(tmp_path: Path):
    path = tmp_path / "pins.json"
    found = pins.of({**GOOD, "seen": {"size": 64, "root": making.base64_of(b"\x01" * 32)}})
    found.save_new(path)
    assert pins.read(path) == found
    with pytest.raises(FileExistsError):
        found.save_new(path)
    newer = found.having_seen(Checkpoint(making.ORIGIN, 128, b"\x02" * 32))
    newer.save_over(path)
    assert pins.read(path) == newer
    assert newer.having_seen(Checkpoint(making.ORIGIN, 0, b"\x02" * 32)).seen is None
    assert [each.name for each in tmp_path.iterdir()] == ["pins.json"]
    path.write_text(f"{' ' * 70_000}{{}}")
    with pytest.raises(strict.Malformed, match="too long for a file of pins"):
        pins.read(path)


def test_another_log_and_another_key_are_refused():
    forged = {**ANSWER, "checkpoint": making.forged(ANSWER)}
    assert fault(forged) == (
        "The checkpoint is not signed by the pinned key of weir.example/log/1. If the portal has begun a new key, pin "
        "that one into another file."
    )
    renamed = notes.Checkpoint("other.example/log/1", 128, making.example().root()).text
    note = f"{renamed}\n{notes.sign(renamed, making.ORIGIN, making.private(making.ORIGIN))}"
    assert fault({**ANSWER, "checkpoint": note}) == (
        "The checkpoint is of other.example/log/1, not of weir.example/log/1."
    )
    broken = {**ANSWER, "checkpoint": ANSWER["checkpoint"].replace("\n128\n", "\n129\n")}
    assert (
        fault(broken) == "The checkpoint is not accepted: The signature of weir.example/log/1 is not valid."
    )


def test_two_histories_of_one_size_are_noticed():
    root = making.example().root()
    same = TRUSTED.having_seen(Checkpoint(making.ORIGIN, 128, root))
    assert "It is the checkpoint that you have seen of the log." in [
        each.sentence for each in checks(ANSWER, same)
    ]
    other = TRUSTED.having_seen(Checkpoint(making.ORIGIN, 128, b"\x00" * 32))
    assert fault(ANSWER, other).startswith("The log has signed two histories of 128 leaves")
    later = TRUSTED.having_seen(Checkpoint(making.ORIGIN, 192, b"\x00" * 32))
    assert all_hold(checks(ANSWER, later))
    assert any("only the log can show: weir log check" in each.sentence for each in checks(ANSWER, later))


def test_a_time_that_no_calendar_has_is_told_in_seconds():
    assert pins.moment(2**63 - 1) == "second 9223372036854775807 since 1970"
    assert pins.moment(253_402_300_799) == "9999-12-31 23:59:59 UTC"
