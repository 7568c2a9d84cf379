"""Logs of submitted code: bounded while they are written, safe when they are shown."""

from collections import deque

from runner.text import neutral

READ = 2**18
FLOOD_FACTOR, FLOOD_MINIMUM = 4, 4 * 2**20


class Log:
    """One stream: its beginning and its end, `limit` bytes in total, of which the beginning gets three quarters."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.written = 0
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        self._tail_bytes = 0

    @property
    def is_flood(self) -> bool:
        """Whether so much was written that the run must be killed."""
        return self.written > max(FLOOD_FACTOR * self.limit, FLOOD_MINIMUM)

    def add(self, data: bytes) -> None:
        self.written += len(data)
        room = self.limit * 3 // 4 - len(self._head)
        self._head += data[: max(room, 0)]
        rest = data[max(room, 0) :]
        if rest:
            self._tail.append(rest)
            self._tail_bytes += len(rest)
            while self._tail_bytes - len(self._tail[0]) >= self.limit - self.limit * 3 // 4:
                self._tail_bytes -= len(self._tail.popleft())

    def text(self) -> str:
        """Return the kept text, without terminal sequences and other control characters."""
        kept = self.limit - self.limit * 3 // 4
        tail = b"".join(self._tail)[-kept:] if kept else b""
        left_out = self.written - len(self._head) - len(tail)
        middle = f"\n… {left_out:,} bytes omitted …\n" if left_out > 0 else ""
        return neutral(_decoded(bytes(self._head)) + middle + _decoded(tail))


def _decoded(data: bytes) -> str:
    return data.decode("utf-8", "replace")
