"""The executor for Kubernetes: each run is a Job under gVisor's RuntimeClass, with a policy that denies all network.

Files go in and our courier's frames come out as streams of commands in the pod, so that no volume, object store or
node's log ever contains them. See docs/sandbox.md for what a cluster must provide.
"""

import contextlib
import hashlib
import json
import os
import socket
import tarfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import IO, Any, cast
from urllib.parse import quote, urlsplit

from runner.contract import Capabilities, JobResult, JobSpec, Limits, SandboxUnavailable, Status
from runner.executors.bubblewrap import run_under
from runner.executors.gvisor import guest_limits
from runner.executors.kubernetes import manifests
from runner.executors.kubernetes.api import APPLY, Api, ApiError, Channel
from runner.executors.remote_sandbox import RemoteSandbox, ReportedTotals, delivery_limits
from runner.host import selftest
from runner.host.interpreter import Interpreter
from runner.host.job import SUFFIXES, Shipment, check, harness, variables
from runner.host.local_sandbox import DEATH_S, NotStarted
from runner.host.state import Stage, is_abandoned, new_name, sweep_stages
from runner.host.supervise import Supervisor

HOST_LABEL = "weir.example/worker"
UNPACK = (
    "import sys, tarfile\ntarfile.open(fileobj=sys.stdin.buffer, mode='r|').extractall('/', filter='data')"
)
GUEST = Interpreter(version="", command=manifests.PYTHON, mounts=(), links=(), empty=(), library_path="")
LAYERS = ("kubernetes", "own-kernel", "network-policy", "no-service-account", "no-capabilities", "read-only-root",
          "seccomp", "resource-limits", "pod-memory-limit")  # fmt: skip
POLL_S = 0.2
CANARY_S = 4
GVISOR = "runsc"
"""The handler of a RuntimeClass that gives each pod its own kernel."""
CANARY_LIMITS = Limits(wall_s=60, cpu_s=30, memory_mb=256, pids=16, output_mb=1, log_mb=0.1)
CANARY = """
import json, socket, sys
reached = []
for host, port in json.loads(sys.argv[1]):
    try:
        socket.create_connection((host, port), timeout=SECONDS).close()
    except OSError:
        continue
    reached.append(f"{host}:{port}")
print(json.dumps(reached))
""".replace("SECONDS", str(CANARY_S))


class Cancelled(Exception):
    """The run was cancelled before its pod was ready."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    api: Api
    namespace: str
    runtime_class: str
    start_s: float

    @classmethod
    def from_environment(cls) -> "Settings":
        return cls(
            api=Api.from_environment(),
            namespace=quote(os.environ.get("WEIR_KUBERNETES_NAMESPACE", "weir-runs"), safe=""),
            runtime_class=os.environ.get("WEIR_KUBERNETES_RUNTIME_CLASS", "gvisor"),
            start_s=float(os.environ.get("WEIR_KUBERNETES_START_SECONDS", "300")),
        )

    def path(self, kind: str, name: str = "") -> str:
        groups = {"jobs": "apis/batch/v1", "networkpolicies": "apis/networking.k8s.io/v1", "pods": "api/v1"}
        return f"/{groups[kind]}/namespaces/{self.namespace}/{kind}" + (
            f"/{quote(name, safe='')}" if name else ""
        )


def image_of(environment: Path) -> str:
    """Return the image of this code environment, which must be named by digest: a tag could change after the record."""
    name = environment.name
    variable = "WEIR_KUBERNETES_IMAGE" + ("" if name == "default" else f"_{name.upper().replace('-', '_')}")
    image = os.environ.get(variable, "")
    if "@sha256:" not in image:
        raise SandboxUnavailable(
            f"{variable} must name the image of the environment {name!r} by its digest (…@sha256:…)."
        )
    return image


class KubernetesExecutor:
    """Runs jobs in a cluster's sandboxed pods."""

    def probe(self) -> Capabilities:
        return _probe(selftest.default_environment())

    def run(
        self,
        spec: JobSpec,
        *,
        started: Callable[[], None] = lambda: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> JobResult:
        check(spec)
        layers = _probe(spec.environment).layers
        try:
            return run_under(launched, spec, layers, started, cancelled)
        except Cancelled:
            return JobResult(status=Status.CANCELLED, layers=layers)

    def sweep(self) -> None:
        """Remove the Jobs of ended processes of this worker. Those of lost workers end at their deadline."""
        sweep_stages()
        with contextlib.suppress(
            ApiError, SandboxUnavailable
        ):  # unreachable: the next sweep or the deadline removes them
            settings = Settings.from_environment()
            query = f"?labelSelector={quote(f'{HOST_LABEL}={_host()}')}"
            for item in settings.api.call("GET", settings.path("jobs") + query).get("items", []):
                if is_abandoned(name := str(item["metadata"]["name"])):
                    _delete(settings, name)


def _host() -> str:
    return socket.gethostname()[:63].strip("-.") or "worker"


@cache
def _probe(environment: Path) -> Capabilities:
    settings = Settings.from_environment()
    try:
        runtime = settings.api.call(
            "GET", f"/apis/node.k8s.io/v1/runtimeclasses/{quote(settings.runtime_class, safe='')}"
        )
        policy = settings.path("networkpolicies", manifests.POLICY) + "?fieldManager=weir&force=true"
        settings.api.call("PATCH", policy, manifests.deny_all(), APPLY)
        _canary(settings, environment)
        selftest.attempt(environment, launched, own_kernel=True)
    except NotStarted as bad:
        raise SandboxUnavailable(f"The cluster cannot provide a sandbox: {bad}") from bad
    return Capabilities(
        executor="kubernetes",
        layers=LAYERS,
        missing=(
            "landlock: gVisor's kernel does not have it",
            "own-user: all runs share one user id, each in its own kernel",
        ),
        kernel=f"cluster {hashlib.sha256(settings.api.address.encode()).hexdigest()[:32]}",
        separates_kernels=runtime.get("handler") == GVISOR,
    )


def _canary(settings: Settings, environment: Path) -> None:
    """Check that a pod like a run's cannot reach what this process reaches: a cluster may ignore network policies."""
    targets = json.dumps([[host, port] for host, port in _targets(settings)])
    spec = selftest.spec_of("", environment, CANARY_LIMITS)
    with _pod(settings, spec, lambda: False) as pod:
        command = [manifests.PYTHON, "-I", "-c", CANARY, targets]
        with contextlib.closing(settings.api.execute(pod.path, "run", command)) as channel:
            reached = _text_of(channel)
    if reached != "[]":
        what = reached or "something unknown"
        raise SandboxUnavailable(
            f"The cluster does not enforce network policies: a pod without network access reached {what}."
        )


def _targets(settings: Settings) -> list[tuple[str, int]]:
    url = urlsplit(settings.api.address)
    return [(cast("str", url.hostname), url.port or 443)]


def _text_of(channel: Channel) -> str:
    text, end = b"", time.monotonic() + 10 * CANARY_S
    while (data := channel.receive(POLL_S)) is not None and time.monotonic() < end and len(text) < 4096:
        text += data
    return text.decode("utf-8", "replace").strip()


@dataclass(slots=True)
class Pod:
    """A Job's pod, and the command in it that runs the code; implements remote_sandbox.Stream."""

    settings: Settings
    name: str
    path: str = ""
    channel: Channel | None = None
    reasons: set[str] = field(default_factory=set)
    _is_dead: bool = False

    def found(self) -> dict[str, Any]:
        """Return the pod's current state from the cluster; empty if there is none."""
        query = f"?labelSelector={quote(f'job-name={self.name}')}"
        items = self.settings.api.call("GET", self.settings.path("pods") + query).get("items", [])
        if items:
            self.path = self.settings.path("pods", str(items[0]["metadata"]["name"]))
        return cast("dict[str, Any]", items[0]) if items else {}

    def await_running(self, kind: str, cancelled: Callable[[], bool]) -> None:
        """Wait until a container runs. Raises NotStarted with the cluster's explanation, and Cancelled."""
        end = time.monotonic() + self.settings.start_s
        while True:
            status = self.found().get("status", {})
            states = [item.get("state", {}) for item in status.get(kind, [])]
            if any("running" in state for state in states):
                return
            if cancelled():
                raise Cancelled
            if status.get("phase") in ("Failed", "Succeeded") or time.monotonic() > end:
                raise NotStarted(f"The pod did not start: {json.dumps(states or status)[:400]}")
            time.sleep(POLL_S)

    def receive(self, timeout: float) -> bytes | None:
        data = cast("Channel", self.channel).receive(timeout)
        if data is None:
            with contextlib.suppress(ApiError):
                self._note_reasons()
        return data

    def _note_reasons(self) -> None:
        status = self.found().get("status", {})
        self.reasons.add(str(status.get("reason", "")))
        for item in status.get("containerStatuses", []):
            ended = (
                item.get("state", {}).get("terminated") or item.get("lastState", {}).get("terminated") or {}
            )
            self.reasons.add(str(ended.get("reason", "")))

    def was_killed(self) -> bool:
        return "OOMKilled" in self.reasons

    def kill(self) -> None:
        """Remove the Job and wait until its pod is gone, for at most DEATH_S seconds. Raises NotStarted."""
        if self._is_dead:
            return
        self._is_dead = True
        if self.channel is not None:
            self.channel.close()
        _delete(self.settings, self.name)
        end = time.monotonic() + DEATH_S
        while self.found():
            if time.monotonic() > end:
                raise NotStarted("The cluster does not confirm that the pod has ended.")
            time.sleep(POLL_S)


def _delete(settings: Settings, name: str) -> None:
    options = {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "propagationPolicy": "Background",
        "gracePeriodSeconds": 1,
    }
    try:
        settings.api.call("DELETE", settings.path("jobs", name), options)
    except ApiError as bad:
        if bad.status != 404:
            raise


@contextlib.contextmanager
def _pod(settings: Settings, spec: JobSpec, cancelled: Callable[[], bool]) -> Iterator[Pod]:
    """Yield a pod that contains the run's files and waits for its command."""
    pod = Pod(settings, new_name())
    shipment = Shipment(spec, Stage(None), guest=GUEST, own_limits=guest_limits(spec.limits))
    size = sum(path.stat().st_size for path in spec.inputs.values())
    run = manifests.Run(
        name=pod.name,
        limits=spec.limits,
        image=image_of(spec.environment),
        runtime_class=settings.runtime_class,
        data_bytes=size,
        start_s=settings.start_s,
        variables=variables(GUEST),
        labels={HOST_LABEL: _host()},
    )
    settings.api.call("POST", settings.path("jobs"), manifests.job(run))
    try:
        pod.await_running("initContainerStatuses", cancelled)
        _load(pod, shipment)
        pod.await_running("containerStatuses", cancelled)
        yield pod
    finally:
        pod.kill()


def _load(pod: Pod, shipment: Shipment) -> None:
    command = [manifests.PYTHON, "-I", "-c", UNPACK]
    with contextlib.closing(pod.settings.api.execute(pod.path, "load", command, stdin=True)) as channel:
        try:
            with tarfile.open(
                fileobj=cast("IO[bytes]", channel), mode="w|", format=tarfile.PAX_FORMAT
            ) as tar:
                for place, content in _plain(shipment).items():
                    _add(tar, place, len(content), BytesIO(content))
                for name, kind in shipment.kinds.items():
                    with shipment.spec.inputs[name].open("rb") as file:
                        _add(tar, f"data/{name}", os.fstat(file.fileno()).st_size, file)
                    if not name.endswith(SUFFIXES):
                        _link(tar, f"data/{name}{kind}", name)
                _add(tar, manifests.COMPLETE[1:], 0, BytesIO())
            while channel.receive(POLL_S) is not None:
                pass
        except OSError as bad:
            raise NotStarted(
                f"The run's files did not arrive: {bad} {channel.problem.decode('utf-8', 'replace')}"
            ) from bad


def _plain(shipment: Shipment) -> dict[str, bytes]:
    """Return the files by path. In the image, `/code.py` is a link to /weir/code.py."""
    contents = shipment.contents("courier")
    return {("weir/code.py" if place == "/code.py" else place[1:]): body for place, body in contents.items()}


def _add(tar: tarfile.TarFile, name: str, size: int, file: IO[bytes]) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o444
    tar.addfile(entry, file)


def _link(tar: tarfile.TarFile, name: str, target: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = tarfile.SYMTYPE, target
    tar.addfile(entry)


@contextlib.contextmanager
def launched(
    spec: JobSpec,
    started: Callable[[], None] = lambda: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Iterator[Supervisor]:
    """Start a run in its pod and yield its supervisor. Leaves nothing behind. Raises NotStarted and Cancelled."""
    settings = Settings.from_environment()
    courier, _ = harness("courier", compiled=False)
    start, _ = harness("start", compiled=False)
    bounds = [str(number) for number in delivery_limits(spec.limits)]
    with _pod(settings, spec, cancelled) as pod:
        command = [manifests.PYTHON, "-I", "-B", "-X", "utf8", courier, start, *bounds]
        pod.channel = settings.api.execute(pod.path, "run", command)
        reported = ReportedTotals(pids=spec.limits.pids, killed=pod.was_killed)
        sandbox = RemoteSandbox(stream=pod, limits=spec.limits, group=reported, reported=reported)
        try:
            yield Supervisor(sandbox, spec.limits, started, cancelled)
            if not sandbox.ready:
                sandbox.stderr.add(pod.channel.problem)
        finally:
            sandbox.close()
