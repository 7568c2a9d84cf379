"""Generate docs/workflow.md from the workflow's tables. A test compares the file with the tables."""

from collections.abc import Iterator

from requests_app.workflow import MACHINES, TURN, Step

TITLES = {"request": "Request", "run": "Run", "release": "Release"}
FIRST = {"request": "draft", "run": "queued", "release": "held"}
HEAD = """# How things move

`manage.py workflow_diagram` generates this page from the tables in `requests_app/workflow.py`; a test compares the two.
Every arrow is one step: it locks the object, asks the rule, writes the change, and records one entry in the audit log.
The steps `collect` and `end` of a run record no entry and notify no page, because their moment depends on private rows.
The step that announces the end is recorded.
"""


def document() -> str:
    """Return the whole page as Markdown with Mermaid diagrams."""
    return "\n".join([HEAD, *(_machine(name, steps) for name, steps in MACHINES.items())])


def _machine(name: str, steps: dict[str, Step]) -> str:
    lines = [f"## {TITLES[name]}", "", "```mermaid", "stateDiagram-v2", f"    [*] --> {FIRST[name]}"]
    lines += [f"    {arrow}" for arrow in _arrows(steps)]
    lines += [
        f"    {state} --> [*]"
        for state, side in TURN[name].items()
        if side == "nobody" and not _leads_on(steps, state)
    ]
    lines += ["```", "", "| state | whose turn it is |", "|---|---|"]
    lines += [f"| {state} | {side} |" for state, side in TURN[name].items()]
    return "\n".join([*lines, ""])


def _arrows(steps: dict[str, Step]) -> Iterator[str]:
    for name, step in steps.items():
        for source in sorted(step.sources):
            yield f"{source} --> {step.target}: {name.replace('_', ' ')}"


def _leads_on(steps: dict[str, Step], state: str) -> bool:
    return any(state in step.sources for step in steps.values())
