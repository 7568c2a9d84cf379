"""Kubernetes objects for one run: a Job whose pod can only compute, and a policy that denies all network."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from runner.contract import MIB, Limits
from runner.executors.gvisor import KERNEL_MB
from runner.host.job import CPUS, sizes

PYTHON = "/python/bin/python3"
USER = 65533
POLICY = "weir-run-no-network"
LABELS = {"app.kubernetes.io/name": "weir-run", "app.kubernetes.io/managed-by": "weir"}
COMPLETE = "/weir/complete"
WAIT = f"import os, time\nwhile not os.path.exists({COMPLETE!r}): time.sleep(0.05)"
SLEEP = "import signal; signal.pause()"
KEPT_S = 60
"""Seconds after which the cluster removes an ended Job that nobody else has removed."""
CODE_BYTES = 4 * MIB
SHOWN = {"/weir": "weir", "/data": "data"}
WRITABLE = {"/out": "out", "/tmp": "tmp", "/dev/shm": "shm"}  # noqa: S108


def deny_all() -> dict[str, Any]:
    """Return a network policy that denies all traffic to and from runs."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": POLICY, "labels": LABELS},
        "spec": {
            "podSelector": {"matchLabels": LABELS},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [],
            "egress": [],
        },
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The parameters of one run's Job."""

    name: str
    limits: Limits
    image: str
    runtime_class: str
    data_bytes: int
    start_s: float
    variables: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)


def job(run: Run) -> dict[str, Any]:
    """Return a Job of one pod that waits, first for its files, then for the command that runs the code."""
    labels = {**LABELS, **run.labels}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": run.name, "labels": labels},
        "spec": {
            "backoffLimit": 0,
            "completions": 1,
            "parallelism": 1,
            "activeDeadlineSeconds": math.ceil(run.limits.wall_s + run.start_s + KEPT_S),
            "ttlSecondsAfterFinished": KEPT_S,
            "template": {"metadata": {"labels": labels}, "spec": _pod(run)},
        },
    }


def _pod(run: Run) -> dict[str, Any]:
    return {
        "restartPolicy": "Never",
        "runtimeClassName": run.runtime_class,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "hostNetwork": False,
        "hostPID": False,
        "hostIPC": False,
        "shareProcessNamespace": False,
        "dnsPolicy": "None",
        "dnsConfig": {"nameservers": ["127.0.0.1"]},
        "hostname": "sandbox",
        "terminationGracePeriodSeconds": 0,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "initContainers": [
            _container(run, "load", WAIT, [_mount(path, name) for path, name in SHOWN.items()])
        ],
        "containers": [
            _container(
                run,
                "run",
                SLEEP,
                [_mount(path, name, read_only=True) for path, name in SHOWN.items()]
                + [_mount(path, name) for path, name in WRITABLE.items()],
            )
        ],
        "volumes": [_volume(name, size) for name, size in _volumes(run).items()],
    }


def _container(run: Run, name: str, script: str, mounts: list[dict[str, Any]]) -> dict[str, Any]:
    memory = run.limits.memory_mb + KERNEL_MB + math.ceil((_volumes(run)["data"] + CODE_BYTES) / MIB)
    return {
        "name": name,
        "image": run.image,
        "command": [PYTHON, "-I", "-c", script],
        "workingDir": "/out" if name == "run" else "/",
        "env": [{"name": key, "value": value} for key, value in run.variables.items()],
        "resources": _resources(memory),
        "securityContext": _confined(),
        "volumeMounts": mounts,
    }


def _confined() -> dict[str, Any]:
    return {
        "allowPrivilegeEscalation": False,
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def _resources(memory_mb: int) -> dict[str, Any]:
    """Request as much as the limit, so that a node's memory is never overcommitted."""
    amounts = {"cpu": str(CPUS), "memory": f"{memory_mb}Mi", "ephemeral-storage": "64Mi"}
    return {"requests": amounts, "limits": amounts}


def _volumes(run: Run) -> dict[str, int]:
    folders = sizes(run.limits)
    return {"weir": CODE_BYTES, "data": run.data_bytes + MIB} | {
        name: folders[path] for path, name in WRITABLE.items()
    }


def _volume(name: str, size: int) -> dict[str, Any]:
    return {"name": name, "emptyDir": {"medium": "Memory", "sizeLimit": str(size)}}


def _mount(path: str, name: str, *, read_only: bool = False) -> dict[str, Any]:
    return {"name": name, "mountPath": path, **({"readOnly": True} if read_only else {})}
