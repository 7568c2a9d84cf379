"""bin/check: checks that do not run the portal."""

import os
import subprocess
import sys

from portal.launch.console import Trouble, say
from portal.launch.install import ROOT, VENV, find_node

CHECKS = {
    "style": ["ruff", "check", "."],
    "format": ["ruff", "format", "--check", "."],
    "types": ["mypy"],
    "layers": ["lint-imports", "--no-cache"],
    "templates": ["djlint", "templates", "--lint", "--quiet"],
    "scripts": ["node", "node_modules/eslint/bin/eslint.js", "--max-warnings", "0"],
    "migrations": ["python", "manage.py", "makemigrations", "--check", "--dry-run"],
}


def main(names: list[str]) -> int:
    unknown = sorted(set(names) - set(CHECKS))
    if unknown:
        sys.exit(f"Unknown check: {', '.join(unknown)}. Choose from: {', '.join(CHECKS)}.")
    failed = [name for name in names or CHECKS if not passes(name)]
    count = len(names or CHECKS)
    ending = f": {', '.join(failed)}" if failed else ""
    say(f"Checks: {count - len(failed)} passed, {len(failed)} failed{ending}")
    return 1 if failed else 0


def passes(name: str) -> bool:
    tool, *arguments = CHECKS[name]
    try:
        program = str(find_node()[0] if tool == "node" else VENV / "bin" / tool)
    except Trouble as trouble:
        say(f"{name:11} failed\n{trouble}")
        return False
    env = {**os.environ, "PATH": f"{VENV / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    env.setdefault("WEIR_SECRET_KEY", "a key for checks, which serve nothing to anybody")
    done = subprocess.run(
        [program, *arguments],
        cwd=ROOT,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    say(f"{name:11} {'failed' if done.returncode else 'passed'}")
    if done.returncode:
        say(done.stdout)
    return not done.returncode
