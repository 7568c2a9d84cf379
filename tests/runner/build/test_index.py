"""How a build reaches the package index, and that it reaches nothing else."""

import contextlib
import http.server
import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.utils import timezone

from runner import environments
from runner.build import CannotBuild, index, pipeline, steps
from runner.build.relay import serving
from runner.build.steps import Step
from runner.environments import Environment
from tests.runner.build.wheels import pages, served, wheel
from tests.runner.sandbox import people

pytestmark = pytest.mark.sandbox

Build = Callable[[], Environment]


@pytest.fixture
def set_up(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """pip's configuration, and nothing of this host's."""
    for name in [name for name in os.environ if name.startswith("PIP_") or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    for name in index.BUNDLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_RETRIES", "0")

    def set_up(**variables: str) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return set_up


@pytest.fixture
def build(tmp_path: Path, set_up: object) -> Build:
    def build() -> Environment:
        listed = tmp_path / "probe.txt"
        listed.write_text("plain==1.0\n")
        built = environments.build("probe", listed, tmp_path / "root")
        assert built.unsandboxed == ""
        return built

    return build


@pytest.fixture
def files(tmp_path: Path) -> Path:
    wheel(tmp_path / "files", "plain")
    return tmp_path / "files"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for this host, from an unknown authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "index")])
    now = timezone.now()
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("certificate") / "certificate.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )
    return path


def test_a_folder_of_pages_is_an_index(
    set_up: Callable[..., None], build: Build, files: Path, tmp_path: Path
) -> None:
    simple = pages(tmp_path / "simple", {path: f"../../files/{path.name}" for path in files.iterdir()})
    set_up(PIP_INDEX_URL=simple.as_uri())
    assert build().packages == {"plain": "1.0"}


def test_a_file_of_configuration_names_the_index(
    set_up: Callable[..., None], build: Build, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that does not exist, and one with a relative path."""
    conf = tmp_path / "pip.conf"
    places = f"    {tmp_path / 'nothing'}\n    {files.name}\n"
    conf.write_text(f"[global]\nno-index = true\n[install]\nfind_links =\n{places}")
    set_up(PIP_CONFIG_FILE=str(conf))
    monkeypatch.chdir(tmp_path)
    assert build().packages == {"plain": "1.0"}


def test_files_may_lie_where_the_pages_of_the_index_lead(
    set_up: Callable[..., None], build: Build, files: Path, tmp_path: Path
) -> None:
    """Index and files on two ports: only the index's page names the second."""
    with served(files) as (store, asked_for_files):
        simple = pages(tmp_path / "simple", {path: f"{store}/{path.name}" for path in files.iterdir()})
        with served(simple) as (address, asked):
            set_up(PIP_INDEX_URL=address)
            assert build().packages == {"plain": "1.0"}
    assert "/plain/" in asked
    assert asked_for_files == ["/plain-1.0-py3-none-any.whl"]


def test_where_it_only_sends_to_has_to_be_named(
    set_up: Callable[..., None], build: Build, files: Path, tmp_path: Path
) -> None:
    with served(files) as (store, asked_for_files):
        simple = pages(tmp_path / "simple", {path: f"../{path.name}" for path in files.iterdir()})
        with served(simple, sends_to=store) as (address, _):
            set_up(PIP_INDEX_URL=address)
            host = store.removeprefix("http://")
            with pytest.raises(CannotBuild, match=f"points to {host}.*WEIR_INDEX_HOSTS"):
                build()
            assert asked_for_files == []
            set_up(WEIR_INDEX_HOSTS=f"files.example {host}")
            assert build().packages == {"plain": "1.0"}


def test_an_index_behind_tls_and_a_password(
    set_up: Callable[..., None], build: Build, files: Path, tmp_path: Path, certificate: Path
) -> None:
    with served(files, certificate=certificate) as (store, _):
        simple = pages(tmp_path / "simple", {path: f"{store}/{path.name}" for path in files.iterdir()})
        with served(simple, certificate=certificate, login="me:s%cret") as (address, _):
            set_up(PIP_INDEX_URL=address.replace("://", "://me:s%25cret@"), PIP_CERT=str(certificate))
            assert build().packages == {"plain": "1.0"}
            set_up(PIP_INDEX_URL=address.replace("://", "://me:wrong@"))
            with pytest.raises(CannotBuild) as refused:
                build()
            assert "wrong" not in str(refused.value)
            set_up(PIP_CERT="/nowhere.pem")
            with pytest.raises(CannotBuild, match=r"certificate /nowhere\.pem cannot be read"):
                build()


@contextlib.contextmanager
def company_proxy() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """A proxy that lets through whoever knows its password."""
    asked: list[tuple[str, str]] = []

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            asked.append((self.path, self.headers.get("Proxy-Authorization", "")))
            host, _, port = self.path.partition(":")
            with socket.create_connection((host, int(port))) as far:
                self.send_response_only(200)
                self.end_headers()
                back = threading.Thread(target=_carry, args=(far, self.connection))
                back.start()
                _carry(self.connection, far)
                back.join()
            self.close_connection = True

        def log_message(self, *said: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield f"http://me:secret@127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


def _carry(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(2**16):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)


def test_an_index_behind_the_operators_proxy(
    set_up: Callable[..., None], build: Build, files: Path, tmp_path: Path
) -> None:
    simple = pages(tmp_path / "simple", {path: f"../{path.name}" for path in files.iterdir()})
    for path in files.iterdir():
        path.rename(simple / path.name)
    with served(simple) as (address, _), company_proxy() as (proxy, asked):
        set_up(PIP_INDEX_URL=address, PIP_PROXY=proxy)
        assert build().packages == {"plain": "1.0"}
    assert set(asked) == {(address.removeprefix("http://"), "Basic bWU6c2VjcmV0")}


# What a step sees

PROBE = """
import json, os, socket, sys
given = dict(word.split("=", 1) for word in sys.argv[1:])
said = {"variables": dict(os.environ), "uid": os.getuid(), "modules": [p for p in sys.path if "packages" in p]}
def seen(path):
    try:
        os.stat(path)
    except OSError:
        return False
    return True
def written(path):
    try:
        open(path, "w").close()
    except OSError:
        return False
    return True
def called(family, address):
    try:
        with socket.socket(family) as near:
            near.settimeout(2)
            near.connect(address)
    except OSError:
        return False
    return True
said["seen"] = [path for path in given["look"].split(":") if seen(path)]
said["written"] = [path for path in given["write"].split(":") if written(path)]
said["called"] = called(socket.AF_INET, ("127.0.0.1", int(given["port"])))
said["families"] = [name for name in ("AF_UNIX", "AF_INET6", "AF_NETLINK", "AF_VSOCK", "AF_PACKET")
                    if called(getattr(socket, name), "/nowhere") or False]
with open(os.path.join(given["out"], "said.json"), "w") as file:
    json.dump(said, file)
"""


@pytest.mark.parametrize("with_network", [False, True])
def test_a_step_sees_what_it_is_given_and_no_more(
    with_network: bool, set_up: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    hands_over = (steps.INSIDE / "download.py").read_text().split("def _arguments")[0]
    use = 'given = dict(word.split("=", 1) for word in sys.argv[1:])\n_proxy(int(given["control"]))\n'
    (inside / "probe.py").write_text((hands_over + use if with_network else "") + PROBE)
    monkeypatch.setattr(steps, "INSIDE", inside)
    out, secret = tmp_path / "out", tmp_path / "store"
    out.mkdir()
    secret.mkdir()
    (secret / "table").write_text("rows")
    set_up(WEIR_SECRET_KEY="canary", DATABASE_URL="canary", PIP_CANARY="canary", PIP_NO_INDEX="1")
    source = index.configured(Path("/nowhere"), "https://index.example/simple")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        pipeline.choose().run(
            Step(
                script="probe",
                failure="The probe failed",
                deadline=time.monotonic() + 60,
                writes={"out": out},
                words={
                    "look": f"{secret}/table:/etc/passwd:/proc/self:/root:/home:/var:/sys:/weir/out:{Path.home()}",
                    "write": f"/weir/out/x:/weir/x:/usr/x:/x:/tmp/x:{secret}/x:/python/x",
                    "port": str(listener.getsockname()[1]),
                },
                serve=(lambda near: serving(near, source, [])) if with_network else None,
            )
        )
        listener.settimeout(0)
        with pytest.raises(BlockingIOError):
            listener.accept()
    said = json.loads((out / "said.json").read_text())
    assert set(said["variables"]) - {"LD_LIBRARY_PATH", "PWD", "LC_CTYPE"} == {"PATH", "LANG"}
    assert (said["modules"], said["seen"], said["written"]) == ([], ["/weir/out"], ["/weir/out/x"])
    assert (said["called"], said["families"]) == (False, [])


# The relay


def test_the_password_of_the_index_is_not_sent_where_it_leads(tmp_path: Path) -> None:
    page = tmp_path / "plain" / "index.html.whl"
    page.parent.mkdir(parents=True)
    page.write_text('<a href="https://files.example/plain.whl">plain</a>')
    with served(tmp_path, login="me:secret") as (locked, asked):
        with served(tmp_path, login="me:secret", sends_to=locked) as (address, _):
            source = index.Index(
                options={"find-links": f"{address.replace('://', '://me:secret@')}/plain/index.html.whl"}
            )
            assert list(source.linked([])) == [set()]
        assert asked == ["/plain/index.html.whl"]  # it was asked, and refused who came without a password


def test_a_host_without_a_number_for_a_port_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIR_INDEX_HOSTS", "files.example:x other.example:8080 plain.example")
    assert index.Index(options={}).hosts() >= {("other.example", 8080), ("plain.example", 443)}
    assert ("files.example", 443) not in index.Index(options={}).hosts()


def test_a_certificate_may_lie_at_home(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, certificate: Path
) -> None:
    monkeypatch.setenv("HOME", str(certificate.parent))
    pages(tmp_path / "simple", {Path("plain-1.0-py3-none-any.whl"): "https://files.example/plain.whl"})
    with served(tmp_path / "simple", certificate=certificate) as (address, _):
        source = index.Index(options={"index-url": address, "cert": f"~/{certificate.name}"})
        assert list(source.linked(["plain"])) == [{("files.example", 443)}]


def test_an_ordinary_user_builds_in_a_sandbox_too(set_up: Callable[..., None], tmp_path: Path) -> None:
    if os.getuid() != 0 or people.public_python() is None:
        pytest.skip("Only root can become another user, and only with a Python that this one can start.")
    set_up(PIP_NO_INDEX="1")
    with people.readable_copy() as copy:
        home = copy.folder / "home"
        home.mkdir()
        wheel(home / "wheels", "plain")
        (home / "probe.txt").write_text("plain==1.0\n")
        for path in (home, *home.rglob("*")):
            os.chown(path, people.NOBODY, people.NOBODY)
        done = subprocess.run(
            [copy.python, "-B", "-m", "runner.environments", "build", "probe", "--requirements", home / "probe.txt",
             "--root", home / "root"],
            cwd=copy.folder,
            user=people.NOBODY,
            group=people.NOBODY,
            extra_groups=[],
            env={"PATH": os.environ["PATH"], "HOME": str(home), "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull,
                 "PIP_FIND_LINKS": str(home / "wheels"), "WEIR_SANDBOX_STATE": str(home / "state")},
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        answer = json.loads(done.stdout)
    assert (answer["packages"], answer["unsandboxed"]) == ({"plain": "1.0"}, "")
