"""A run's log keeps its beginning and its end, within a limit."""

from hypothesis import given
from hypothesis import strategies as st

from runner.host.logs import Log


@given(st.lists(st.binary(max_size=300), max_size=30), st.integers(8, 400))
def test_log_keeps_both_ends_and_counts_all(parts: list[bytes], limit: int) -> None:
    log = Log(limit)
    for part in parts:
        log.add(part)
    whole = b"".join(parts)
    assert log.written == len(whole)
    text = log.text()
    assert len(text) <= limit + 60
    assert not any(ord(character) < 32 and character not in "\n\t" for character in text)


def test_log_says_what_it_left_out() -> None:
    log = Log(8)
    for character in b"0123456789abcdef":
        log.add(bytes([character]))
    assert log.text() == "012345\n… 8 bytes omitted …\nef"
