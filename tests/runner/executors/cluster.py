"""A fake Kubernetes API for tests: it records requests and runs pods on this host, according to their manifests.

It listens on loopback. Containers are bubblewrap sandboxes, whose memory it limits as a node would.
"""

import base64
import hashlib
import json
import os
import re
import shutil
import struct
import subprocess
import tempfile
import threading
import time
from contextlib import suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from runner.executors.kubernetes.api import KEY_SUFFIX
from runner.host import bwrap_options, spawner_process
from runner.host.interpreter import interpreter
from runner.host.meter import Meter
from runner.host.readable_paths import readable_paths
from runner.host.selftest import default_environment

TOKEN = "token-of-the-worker"
UID = 64800 if os.getuid() == 0 else None
"""A node's user: the kernel does not count the processes of root."""


class Pod:
    """One Job's pod: the loading container runs until its files are complete, then the other one."""

    def __init__(self, cluster: "Cluster", manifest: dict[str, Any]) -> None:
        self.cluster, self.manifest = cluster, manifest
        self.name = manifest["metadata"]["name"]
        self.spec = manifest["spec"]["template"]["spec"]
        self.folder = Path(tempfile.mkdtemp(prefix="weir-pod-", dir="/tmp"))
        self.folder.chmod(0o711)
        for name in ("weir", "data"):
            (self.folder / name).mkdir()
            (self.folder / name).chmod(0o777)
        self.processes: list[subprocess.Popen[bytes]] = []
        self.reason = ""

    def shown(self) -> dict[str, Any]:
        loaded = (self.folder / "weir" / "complete").exists()
        running: dict[str, Any] = {"running": {}}
        state = {"terminated": {"reason": self.reason}} if self.reason else running
        return {
            "metadata": {"name": f"{self.name}-x", "labels": {"job-name": self.name}},
            "status": {
                "phase": "Running",
                "initContainerStatuses": [
                    {"name": "load", "state": {"terminated": {}} if loaded else running}
                ],
                "containerStatuses": [{"name": "run", "state": state if loaded else {"waiting": {}}}],
            },
        }

    def start(self, container: dict[str, Any], command: list[str]) -> "subprocess.Popen[bytes]":
        python = interpreter(default_environment())
        version = f"python{python.version}"
        options = ["--unshare-all", "--uid", "65533", "--gid", "65533", "--die-with-parent", "--clearenv"]
        options += ["--cap-drop", "ALL", "--hostname", self.spec["hostname"]]
        options += [] if self.cluster.enforces else ["--share-net"]
        readable = readable_paths([source for source, _ in python.mounts], UID)
        for source, (_, place) in zip(readable.paths, python.mounts, strict=True):
            options += ["--ro-bind", str(source), place]
        for target, place in python.links:
            options += ["--symlink", target, place]
        options += ["--symlink", version, "/python/bin/python3", "--symlink", "/weir/code.py", "/code.py"]
        for device in ("null", "zero", "full", "random", "urandom"):
            options += ["--dev-bind", f"/dev/{device}", f"/dev/{device}"]
        options += ["--proc", "/proc"]
        for mount in container["volumeMounts"]:
            options += self._mount(mount)
        for variable in container.get("env", []):
            options += ["--setenv", variable["name"], variable["value"]]
        if python.library_path:
            options += ["--setenv", "LD_LIBRARY_PATH", python.library_path]
        options += ["--remount-ro", "/", "--chdir", container.get("workingDir", "/")]
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            [str(bwrap_options.find()), *options, "--", *command],
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            env={},
            preexec_fn=partial(spawner_process.enter, UID, readable.place, readable.mounts),  # noqa: PLW1509
        )
        self.processes.append(process)
        threading.Thread(target=self._limit, args=(process, container), daemon=True).start()
        return process

    def _mount(self, mount: dict[str, Any]) -> list[str]:
        name, place = mount["name"], mount["mountPath"]
        if name in ("weir", "data"):
            return ["--ro-bind" if mount.get("readOnly") else "--bind", str(self.folder / name), place]
        volume = next(volume for volume in self.spec["volumes"] if volume["name"] == name)
        return ["--size", volume["emptyDir"]["sizeLimit"], "--tmpfs", place]

    def _limit(self, process: "subprocess.Popen[bytes]", container: dict[str, Any]) -> None:
        allowed = int(container["resources"]["limits"]["memory"].removesuffix("Mi")) * 2**20
        while process.poll() is None:
            with suppress(OSError):
                meter = Meter(process.pid, (), None)
                if meter.read().memory > allowed and meter.proportional() > allowed:
                    self.reason = "OOMKilled"
                    process.kill()
            time.sleep(0.03)

    def fail(self) -> None:
        """Fail as a node does that breaks down."""
        for process in self.processes:
            process.kill()
            process.wait()

    def end(self) -> None:
        self.fail()
        shutil.rmtree(self.folder)


class Cluster:
    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self.pods: dict[str, Pod] = {}
        self.runtime_classes = {"gvisor"}
        self.enforces = True
        self.starts = True
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"cluster": self}))
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        for pod in self.pods.values():
            pod.end()

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> tuple[int, Any]:
        name = path.rpartition("/")[2]
        if "/runtimeclasses/" in path:
            return (
                (200, {"handler": "runsc"})
                if name in self.runtime_classes
                else (404, {"message": "not found"})
            )
        if "/networkpolicies/" in path:
            return 200, body
        if path.endswith("/jobs") and method == "POST":
            self.pods[body["metadata"]["name"]] = Pod(self, body)
            return 201, body
        if path.endswith("/jobs"):
            return 200, {"items": [pod.manifest for pod in self.pods.values()]}
        if "/jobs/" in path and method == "DELETE":
            pod = self.pods.pop(name, None)
            if pod is None:
                return 404, {"message": "not found"}
            pod.end()
            return 200, {}
        if path.endswith("/pods"):
            wanted = query["labelSelector"][0].removeprefix("job-name=")
            return 200, {"items": [self.pods[wanted].shown()] if self.starts and wanted in self.pods else []}
        return 404, {"message": f"nothing at {path}"}


class Handler(BaseHTTPRequestHandler):
    cluster: Cluster
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def handle_one(self) -> None:
        url = urlsplit(self.path)
        size = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(size)) if size else None
        self.cluster.asked.append((self.command, url.path, body))
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self.tell(401, {"message": "who are you?"})
        if url.path.endswith("/exec"):
            return self.execute(url.path, parse_qs(url.query))
        return self.tell(*self.cluster.answer(self.command, url.path, parse_qs(url.query), body))

    do_GET = do_POST = do_PATCH = do_DELETE = handle_one  # noqa: N815 http.server's names

    def tell(self, status: int, body: Any) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    # Commands

    def execute(self, path: str, query: dict[str, list[str]]) -> None:
        match = re.search(r"/pods/(.*)-x/exec$", path)
        assert match is not None
        pod = self.cluster.pods[match[1]]
        containers = {item["name"]: item for item in pod.spec["initContainers"] + pod.spec["containers"]}
        process = pod.start(containers[query["container"][0]], query["command"])
        key = self.headers["Sec-WebSocket-Key"] + KEY_SUFFIX
        accepted = base64.b64encode(hashlib.sha1(key.encode(), usedforsecurity=False).digest()).decode()
        self.send_response(101)
        for name, value in (
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Accept", accepted),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.close_connection = True
        self.lock = threading.Lock()
        readers = [threading.Thread(target=self.pass_out, args=(process.stdout, 1))]
        readers += [threading.Thread(target=self.pass_out, args=(process.stderr, 2))]
        for reader in readers:
            reader.start()
        threading.Thread(target=self.pass_in, args=(process.stdin,), daemon=True).start()
        for reader in readers:
            reader.join()
        code = process.wait()
        process.stdout.close()
        process.stderr.close()
        self.frame(2, b"\x03" + json.dumps({"status": "Success" if code == 0 else "Failure"}).encode())
        self.frame(9, b"still there?")
        self.frame(8, b"")

    def frame(self, kind: int, data: bytes) -> None:
        size = bytes([len(data)]) if len(data) < 126 else struct.pack("!BH", 126, len(data))
        with self.lock, suppress(OSError):
            self.wfile.write(bytes([0x80 | kind]) + size + data)

    def pass_out(self, stream: Any, channel: int) -> None:
        while data := stream.read1(2**15):
            self.frame(2, bytes([channel]) + data)

    def pass_in(self, stream: Any) -> None:
        with suppress(OSError, ValueError, struct.error):
            while True:
                first, second = self.rfile.read(2)
                length = second & 0x7F
                if length == 126:
                    (length,) = struct.unpack("!H", self.rfile.read(2))
                mask, data = self.rfile.read(4), self.rfile.read(length)
                plain = bytes(byte ^ mask[place % 4] for place, byte in enumerate(data))
                if first & 0x0F == 2 and plain[0] == 0:
                    stream.write(plain[1:])
                    stream.flush()
        with suppress(OSError):
            stream.close()
