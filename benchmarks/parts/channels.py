"""What two runs at the same time on one kernel can tell each other: why the queue keeps apart those who would profit.

A sender in one sandbox and a receiver in another, which share nothing but the kernel and the clock. Told are bits per
second that arrive, the errors taken off: rate × (1 − H(errors)).
"""

import json
import math
import secrets
import statistics
import tempfile
import time
from argparse import Namespace
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measuring import Measure
from runner.contract import JobResult, JobSpec, Limits, Status
from runner.executors.bubblewrap import BubblewrapExecutor
from runner.host.selftest import default_environment

TRAINING = 16
"""Known bits, by turns 0 and 1, from which the receiver learns what a 1 looks like."""
AHEAD_S = 3.0

SENDER = """
import os, time

def main(begin, slot, bits):
    for at, bit in enumerate(bits):
        end = begin + (at + 0.85) * slot
        time.sleep(max(0.0, begin + at * slot - time.time()))
        if bit == "1":
            send(end)
    return {}
"""
RECEIVER = """
import os, time

def main(begin, slot, bits):
    seen = []
    time.sleep(max(0.0, begin - time.time()))
    for at in range(bits):
        seen.append(look(begin + (at + 1) * slot))
    return {"seen": seen}
"""
PIPES_SENT = """
def send(end):
    while time.time() < end:
        for _ in range(64):
            for one in os.pipe():
                os.close(one)
"""
PIPES_SEEN = """
last = 0

def look(end):
    # The kernel hands numbers to each processor by the thousand: so many pipes are sure to see a fresh thousand.
    global last
    time.sleep(max(0.0, end - 0.03 - time.time()))
    before, last = last, 0
    for _ in range(1030):
        ends = os.pipe()
        last = max(last, os.fstat(ends[0]).st_ino)
        for one in ends:
            os.close(one)
    return last - before
"""
LOAD_SENT = """
def send(end):
    children = []
    for _ in range(4):
        child = os.fork()
        if child == 0:
            while time.time() < end:
                pass
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
"""
LOAD_SEEN = """
def look(end):
    rounds = 0
    while time.time() < end - 0.1 * SLOT:
        for _ in range(200):
            pass
        rounds += 1
    time.sleep(max(0.0, end - time.time()))
    return -rounds
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One way to signal: what the two do, and how long one bit takes."""

    name: str
    sent: str
    seen: str
    slot_s: float


CHANNELS = (
    Channel(name="by numbers of pipes", sent=PIPES_SENT, seen=PIPES_SEEN, slot_s=0.15),
    Channel(name="by load of the processors", sent=LOAD_SENT, seen=LOAD_SEEN, slot_s=0.5),
)


def measures(chosen: Namespace) -> Iterator[Measure]:
    for channel in CHANNELS:
        yield measured(channel, 64 if chosen.quick else 256)


def measured(channel: Channel, count: int) -> Measure:
    bits = "01" * (TRAINING // 2) + "".join(secrets.choice("01") for _ in range(count))
    seen = overheard(channel, bits)
    errors = sum(one != other for one, other in zip(read(seen), bits[TRAINING:], strict=True)) / count
    rate = 1 / channel.slot_s
    an_hour = rate * kept(errors) * 3600 / 8
    note = f"{rate:.1f} bits a second sent, {errors:.1%} of {count} wrong; {an_hour:,.0f} bytes an hour"
    return Measure(
        name=f"a run hears another {channel.name}", ours=rate * kept(errors), unit="bit/s", note=note
    )


def kept(errors: float) -> float:
    """What is left of a bit that arrives wrong so often."""
    wrong = min(max(errors, 1e-9), 1 - 1e-9)
    return max(0.0, 1 + wrong * math.log2(wrong) + (1 - wrong) * math.log2(1 - wrong))


def read(seen: list[float]) -> list[str]:
    zeros, ones = (statistics.median(seen[first:TRAINING:2]) for first in (0, 1))
    middle, up = (zeros + ones) / 2, ones > zeros
    return ["1" if (value > middle) == up else "0" for value in seen[TRAINING:]]


def overheard(channel: Channel, bits: str) -> list[float]:
    """What the receiver saw in each slot while the sender sent these bits."""
    with tempfile.TemporaryDirectory() as room, ThreadPoolExecutor(2) as both:
        begin = time.time() + AHEAD_S
        shared = {"begin": begin, "slot": channel.slot_s}
        sender = both.submit(run, Path(room) / "a", channel.sent + SENDER, {**shared, "bits": bits})
        code = channel.seen.replace("SLOT", str(channel.slot_s)) + RECEIVER
        receiver = both.submit(run, Path(room) / "b", code, {**shared, "bits": len(bits)})
        for done in (sender.result(), receiver.result()):
            if done.status is not Status.SUCCEEDED:
                raise RuntimeError(f"A side of the channel failed: {done.code} {done.stderr[-500:]}")
        answer = json.loads((Path(room) / "b" / "result.json").read_text())
    return [float(value) for value in answer["seen"]]


def run(out: Path, code: str, parameters: dict[str, object]) -> JobResult:
    out.mkdir()
    spec = JobSpec(
        run_id=out.name,
        code=code,
        inputs={},
        out=out,
        environment=default_environment(),
        parameters=parameters,
        limits=Limits(wall_s=600, cpu_s=1200, memory_mb=512, pids=32),
    )
    return BubblewrapExecutor().run(spec)
