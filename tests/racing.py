"""Things that happen at the same moment, on real connections to the database."""

import threading
from collections.abc import Callable
from typing import Any

from django.db import connection

from common.errors import Refused


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """What each call returned, or the refusal that it met, in the order of the calls; all begun together."""
    gate = threading.Barrier(len(calls))
    results: list[Any] = [None] * len(calls)

    def work(number: int, call: Callable[[], Any]) -> None:
        try:
            gate.wait()
            results[number] = call()
        except Refused as refusal:
            results[number] = refusal
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=pair) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results
