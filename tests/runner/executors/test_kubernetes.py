"""The executor for Kubernetes fulfils the contract against a fake API, and sends the right requests."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runner.contract import CloseCode, Limits, SandboxUnavailable, Status
from runner.executors.kubernetes import executor as kubernetes
from runner.executors.kubernetes import manifests
from runner.host.state import new_name
from tests.runner.executors.cluster import TOKEN, Cluster
from tests.runner.executors.test_contract import LIMITS, ExecutorContract

pytestmark = pytest.mark.sandbox

IMAGE = f"registry.example/weir-environment@sha256:{'0' * 64}"


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("account") / "token"
    path.write_text(TOKEN)
    return path


@pytest.fixture
def cluster(account: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    cluster = Cluster()
    monkeypatch.setenv("WEIR_KUBERNETES_API", cluster.address)
    monkeypatch.setenv("WEIR_KUBERNETES_TOKEN_FILE", str(account))
    monkeypatch.setenv("WEIR_KUBERNETES_IMAGE", IMAGE)
    monkeypatch.setenv("WEIR_KUBERNETES_START_SECONDS", "20")
    yield cluster
    cluster.close()


@pytest.fixture
def new_probe() -> Iterator[None]:
    kubernetes._probe.cache_clear()
    yield
    kubernetes._probe.cache_clear()


@pytest.mark.usefixtures("cluster")
class TestKubernetes(ExecutorContract):
    executor = kubernetes.KubernetesExecutor()
    limits = replace(LIMITS, wall_s=60, cpu_s=60)

    @pytest.mark.parametrize(
        ("code", "told"),
        [
            ("while True: pass", CloseCode.TIME_LIMIT),
            (
                "import mmap\nm = mmap.mmap(-1, 1 << 30)\nfor i in range(0, 1 << 30, 4096): m[i] = 1",
                CloseCode.MEMORY_LIMIT,
            ),
            ("open('/out/x', 'wb').write(bytes(32 << 20))", CloseCode.DISK_LIMIT),
            ("while True: print('x' * 10000)", CloseCode.OUTPUT_TOO_BIG),
            ("import os\nos.mkdir('a.txt')", CloseCode.OUTPUT_TYPE),
        ],
    )
    def test_limits(self, tmp_path: Path, code: str, told: CloseCode) -> None:
        limits = replace(self.limits, wall_s=5, memory_mb=256)
        assert self.run(tmp_path / "out", code, limits=limits).code is told

    def test_node_that_breaks_down(self, tmp_path: Path, cluster: Cluster) -> None:
        self.executor.probe()

        def fail() -> None:
            for pod in cluster.pods.values():
                pod.fail()

        result = self.run(tmp_path / "out", "import time; time.sleep(60)", started=fail)
        assert (result.status, result.code) == (Status.FAILED, CloseCode.INTERNAL)

    def test_nothing_is_left_in_the_cluster(self, tmp_path: Path, cluster: Cluster) -> None:
        self.run(tmp_path / "out", "print(1)")
        assert cluster.pods == {}

    def test_no_secret_reaches_a_pod(self, tmp_path: Path, cluster: Cluster) -> None:
        self.run(tmp_path / "out", "print(1)")
        posted = [body for method, path, body in cluster.asked if method == "POST" and path.endswith("/jobs")]
        assert posted != []
        assert TOKEN not in repr(posted)

    def test_cancelled_while_it_waits_for_a_node(self, tmp_path: Path, cluster: Cluster) -> None:
        self.executor.probe()
        cluster.starts = False
        result = self.run(tmp_path / "out", "print(1)", cancelled=threading.Event().is_set)  # never
        assert (result.code, "did not start" in result.stderr) == (CloseCode.INTERNAL, True)
        result = self.run(tmp_path / "out", "print(1)", cancelled=lambda: True)
        assert result.status is Status.CANCELLED
        assert cluster.pods == {}

    def test_sweep_takes_what_a_dead_process_left(self, cluster: Cluster) -> None:
        mine, dead = new_name(), "weir-999999999-1-0123456789abcdef"
        for name in (mine, dead):
            manifest = manifests.job(run_of(name))
            cluster.answer("POST", "/apis/batch/v1/namespaces/weir-runs/jobs", {}, manifest)
        self.executor.sweep()
        assert list(cluster.pods) == [mine]


@pytest.mark.usefixtures("new_probe")
class TestProbe:
    def test_asks_for_the_class_the_policy_and_a_canary(self, cluster: Cluster) -> None:
        found = kubernetes.KubernetesExecutor().probe()
        assert (found.executor, "network-policy" in found.layers) == ("kubernetes", True)
        asked = [(method, path) for method, path, _ in cluster.asked]
        assert asked[:2] == [
            ("GET", "/apis/node.k8s.io/v1/runtimeclasses/gvisor"),
            ("PATCH", f"/apis/networking.k8s.io/v1/namespaces/weir-runs/networkpolicies/{manifests.POLICY}"),
        ]
        assert cluster.asked[1][2] == manifests.deny_all()

    def test_policy_that_is_not_enforced(self, cluster: Cluster) -> None:
        cluster.enforces = False
        with pytest.raises(SandboxUnavailable, match="does not enforce network policies"):
            kubernetes.KubernetesExecutor().probe()

    def test_no_runtime_class(self, cluster: Cluster) -> None:
        cluster.runtime_classes.clear()
        with pytest.raises(SandboxUnavailable, match="404"):
            kubernetes.KubernetesExecutor().probe()

    def test_image_without_a_digest(self, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("WEIR_KUBERNETES_IMAGE", "registry.example/weir-environment:latest")
        with pytest.raises(SandboxUnavailable, match="digest"):
            kubernetes.KubernetesExecutor().probe()

    def test_unknown_token(
        self, cluster: Cluster, account: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "token").write_text("another")
        monkeypatch.setenv("WEIR_KUBERNETES_TOKEN_FILE", str(tmp_path / "token"))
        with pytest.raises(SandboxUnavailable, match="401"):
            kubernetes.KubernetesExecutor().probe()

    def test_no_cluster(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
        with pytest.raises(SandboxUnavailable, match="No cluster was found"):
            kubernetes.KubernetesExecutor().probe()


def run_of(name: str) -> manifests.Run:
    return manifests.Run(
        name=name,
        limits=Limits(wall_s=100, memory_mb=1000, output_mb=16),
        image=IMAGE,
        runtime_class="gvisor",
        data_bytes=10 * 2**20,
        start_s=300,
        labels={"weir.example/worker": "w"},
    )


def rendered() -> dict[str, Any]:
    return manifests.job(run_of("weir-1-2-3"))


def test_pod_can_do_nothing_but_compute() -> None:
    pod = rendered()["spec"]["template"]["spec"]
    assert (pod["runtimeClassName"], pod["automountServiceAccountToken"], pod["enableServiceLinks"]) == (
        "gvisor",
        False,
        False,
    )
    assert (pod["hostNetwork"], pod["hostPID"], pod["hostIPC"]) == (False, False, False)
    assert pod["securityContext"]["runAsNonRoot"] is True
    for container in pod["initContainers"] + pod["containers"]:
        context = container["securityContext"]
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert (context["readOnlyRootFilesystem"], context["allowPrivilegeEscalation"]) == (True, False)
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["resources"]["limits"] == container["resources"]["requests"]
    assert [volume["emptyDir"]["medium"] for volume in pod["volumes"]] == ["Memory"] * 5


def test_code_sees_its_files_read_only() -> None:
    (run,) = rendered()["spec"]["template"]["spec"]["containers"]
    shown = [mount["mountPath"] for mount in run["volumeMounts"] if mount.get("readOnly")]
    assert shown == ["/weir", "/data"]


def test_job_runs_once_and_goes() -> None:
    spec = rendered()["spec"]
    assert (spec["backoffLimit"], spec["activeDeadlineSeconds"], spec["ttlSecondsAfterFinished"]) == (
        0,
        460,
        60,
    )


def test_policy_selects_the_pods_of_runs() -> None:
    policy = manifests.deny_all()["spec"]
    assert (
        policy["podSelector"]["matchLabels"].items()
        <= rendered()["spec"]["template"]["metadata"]["labels"].items()
    )
    assert (policy["ingress"], policy["egress"], policy["policyTypes"]) == ([], [], ["Ingress", "Egress"])
