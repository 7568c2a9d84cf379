"""The command line: run the named parts, each in its own process; print and store their measures."""

import argparse
import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.measuring import machine

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
PARTS = (
    "launch", "lane", "runner", "channels", "gates", "live", "pages", "api", "client", "upload", "privacy", "code",
    "network", "tables", "fit", "peers", "fit_peers", "table_peers",
)  # fmt: skip
INSIDE = {"accuracy": "privacy", "offline": "client"}
"""Parts of other parts that can be run by themselves."""
INSIDE_WORDS = ", ".join(f"{name} is part of {whole}" for name, whole in INSIDE.items())


def main() -> int:
    chosen = options()
    RESULTS.mkdir(exist_ok=True)
    begun = datetime.fromtimestamp(time.time(), tz=UTC)
    about = machine()
    say(f"{begun:%Y-%m-%d %H:%M} UTC, commit {commit()}, {about['cores']} × {about['processor']}, {load()}")
    kept: dict[str, object] = {"begun": begun.isoformat(), "commit": commit(), "machine": about, "parts": {}}
    codes = []
    for name in chosen.parts or PARTS:
        code, result = one(name, chosen)
        codes.append(code)
        kept["parts"] = {**dict(kept["parts"]), name: result}  # type: ignore[call-overload]
        path = RESULTS / f"{begun:%Y%m%dT%H%M%S}.json"
        path.write_text(json.dumps(kept, indent=1) + "\n")
        say(f"  kept in {path.relative_to(ROOT)}")
    return max(codes)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks/run", description="Measure Weir against its goals.")
    parser.add_argument(
        "parts",
        nargs="*",
        metavar="PART",
        help=f"from {', '.join(PARTS)} (default: all); {INSIDE_WORDS}",
    )
    parser.add_argument("--quick", action="store_true", help="small sizes and few repetitions: does it work?")
    parser.add_argument("--full", action="store_true", help="large sizes too (10^7 rows)")
    parser.add_argument("--cold", action="store_true", help="launch, client: also install them afresh")
    parser.add_argument(
        "--install",
        action="store_true",
        help="peers, fit_peers, table_peers: first install them into var/peers (about 5 GB; more with CUDA)",
    )
    chosen = parser.parse_args()
    if unknown := sorted(set(chosen.parts) - {*PARTS, *INSIDE}):
        parser.error(f"unknown part: {', '.join(unknown)}; choose from {', '.join(PARTS)}")
    return chosen


def one(name: str, chosen: argparse.Namespace) -> tuple[int, dict[str, object]]:
    say(f"\n{name} ({load()})")
    flags = [f"--{flag}" for flag in ("quick", "full", "cold", "install") if getattr(chosen, flag)]
    out = RESULTS / f".{name}.{os.getpid()}"
    before, begun = load(), time.monotonic()
    command = [sys.executable, "-m", "benchmarks.part", name, str(out), *flags]
    code = subprocess.run(command, cwd=ROOT, check=False, stdin=subprocess.DEVNULL).returncode  # noqa: S603 our own
    lines = out.read_text().splitlines() if out.exists() else []
    out.unlink(missing_ok=True)
    measures = [json.loads(line) for line in lines]
    took = round(time.monotonic() - begun, 1)
    return code, {"load": [before, load()], "took_s": took, "exit_code": code, "measures": measures}


def commit() -> str:
    command = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 our own
    return done.stdout.strip() or "unknown"


def load() -> str:
    return f"load {os.getloadavg()[0]:.1f}"


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
