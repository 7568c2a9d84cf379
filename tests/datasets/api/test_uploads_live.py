"""Uploads by tus to the running portal: a line that is cut, a server that restarts, two writers at once, a worker."""

import hashlib
import socket
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import httpx
import pytest

from accounts.models import User
from datasets.models import Table, Upload
from portal.launch.processes import wait_until
from tests import make, serving
from tests.rest import bearer

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
CHUNK = "application/offset+octet-stream"
ROWS = "".join(f"{person},{1990 + person % 9},{900 + person}.5\n" for person in range(30_000))
FILE = f"person,year,wage\n{ROWS}".encode()
HALF = len(FILE) // 2


def checksum(chunk: bytes) -> str:
    return f"sha256 {b64encode(hashlib.sha256(chunk).digest()).decode()}"


class Tus:
    """As small a client of tus as can be."""

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        self.http = httpx.Client(base_url=url, headers={**headers, "Tus-Resumable": "1.0.0"}, timeout=60)

    def begin(self, dataset: str, content: bytes) -> str:
        digest = b64encode(hashlib.sha256(content).hexdigest().encode()).decode()
        headers = {
            "Upload-Length": str(len(content)),
            "Upload-Metadata": f"filename d2FnZXMuY3N2,sha256 {digest}",
        }
        answer = self.http.post(f"/api/v1/datasets/{dataset}/uploads/", headers=headers)
        assert answer.status_code == 201, answer.text
        return answer.headers["Location"]

    def send(self, path: str, offset: int, chunk: bytes, **more: str) -> httpx.Response:
        headers = {"Upload-Offset": str(offset), "Upload-Checksum": checksum(chunk), "Content-Type": CHUNK}
        return self.http.patch(path, content=chunk, headers={**headers, **more})

    def offset(self, path: str) -> int:
        answer = self.http.head(path)
        assert (answer.status_code, answer.content) == (200, b"")
        return int(answer.headers["Upload-Offset"])

    def send_half_a_request(self, path: str, chunk: bytes) -> None:
        """Announce a chunk, send half of it, and hang up."""
        parts = urlsplit(str(self.http.base_url))
        lines = [f"PATCH {path} HTTP/1.1", f"Host: {parts.netloc}", f"Content-Length: {len(chunk)}"]
        lines += [f"Authorization: {self.http.headers['Authorization']}", "Tus-Resumable: 1.0.0"]
        lines += ["Upload-Offset: 0", f"Content-Type: {CHUNK}", "", ""]
        with socket.create_connection((parts.hostname, parts.port), timeout=30) as line:
            line.sendall("\r\n".join(lines).encode() + chunk[: len(chunk) // 2])


@contextmanager
def another_server(log: Path) -> Iterator[str]:
    port = serving.free_port()
    with serving.web_server(port, log, WEIR_BASE_URL=f"http://127.0.0.1:{port}"):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def owner() -> User:
    return make.owner()


@pytest.fixture
def clients() -> Iterator[Callable[..., Tus]]:
    """Makes clients, which are closed after the test."""
    with ExitStack() as opened:

        def client(url: str, headers: dict[str, str]) -> Tus:
            made = Tus(url, headers)
            opened.enter_context(made.http)
            return made

        yield client


def test_an_upload_survives_cuts_restarts_and_errors(live: SimpleNamespace, owner, clients, tmp_path: Path):
    dataset, headers = str(make.dataset(owner=owner, published=False).pk), bearer(owner, "publish")
    with another_server(tmp_path / "web.log") as url:
        client = clients(url, headers)
        path = client.begin(dataset, FILE)
        client.send_half_a_request(path, FILE[:HALF])
        assert client.offset(path) == 0
        assert client.send(path, 0, FILE[:HALF]).headers["Upload-Offset"] == str(HALF)
    client = clients(live.url, headers)  # the server that took the first half has ended
    assert client.offset(path) == HALF
    wrong = client.send(path, HALF, FILE[HALF:], **{"Upload-Checksum": checksum(b"other")})
    assert (wrong.status_code, wrong.json()["code"]) == (460, "checksum")
    elsewhere = client.send(path, HALF + 1, FILE[HALF + 1 :])
    assert (elsewhere.status_code, elsewhere.headers["Upload-Offset"], elsewhere.json()["offset"]) == (
        409, str(HALF), HALF,
    )  # fmt: skip
    assert client.send(path, HALF, FILE[HALF:]).status_code == 204
    wait_until(lambda: client.http.get(path).json()["state"] == "done", live.worker, seconds=60)
    assert Table.objects.get(pk=client.http.get(path).json()["table"]["id"]).rows == 30_000


def test_two_writers_at_once_write_the_file_once(live: SimpleNamespace, owner, clients):
    dataset, headers = str(make.dataset(owner=owner, published=False).pk), bearer(owner, "publish")
    writers = [clients(live.url, headers) for _ in range(2)]
    path = writers[0].begin(dataset, FILE)
    with ThreadPoolExecutor(2) as pool:
        for start in range(0, len(FILE), 50_000):
            chunk = FILE[start : start + 50_000]
            answers = list(pool.map(lambda each, at=start, part=chunk: each.send(path, at, part), writers))
            codes = sorted(answer.status_code for answer in answers)
            assert codes in ([204, 409], [204, 423])
    wait_until(lambda: writers[0].http.get(path).json()["state"] == "done", live.worker, seconds=60)
    assert Upload.objects.get().table.rows == 30_000
