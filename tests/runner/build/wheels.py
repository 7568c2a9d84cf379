"""Wheels, honest and hostile, and folders and servers that act as an index for pip."""

import base64
import hashlib
import http.server
import ssl
import stat
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

PLAIN = "Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"


def wheel(
    folder: Path,
    name: str,
    files: Mapping[str, str | bytes] | None = None,
    *,
    version: str = "1.0",
    needs: tuple[str, ...] = (),
    metadata: str | bytes | None = None,
    record: str | None = None,
) -> Path:
    """A wheel with one module of its name, and these files beside it."""
    base = f"{name.replace('-', '_')}-{version}"
    described = metadata or PLAIN.format(name=name, version=version) + "".join(
        f"Requires-Dist: {n}\n" for n in needs
    )
    content = {
        f"{name.replace('-', '_')}.py": "VALUE = 42\n",
        **(files or {}),
        f"{base}.dist-info/METADATA": described,
        f"{base}.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    content[f"{base}.dist-info/RECORD"] = _record(content, base) if record is None else record
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{base}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for place, text in content.items():
            entry = zipfile.ZipInfo(place)
            entry.external_attr = (stat.S_IFREG | 0o755) << 16
            archive.writestr(entry, text, zipfile.ZIP_DEFLATED)
    return path


def _record(content: Mapping[str, str | bytes], base: str) -> str:
    lines = []
    for place, text in content.items():
        data = text.encode() if isinstance(text, str) else text
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        lines.append(f"{place},sha256={digest},{len(data)}\n")
    return "".join([*lines, f"{base}.dist-info/RECORD,,\n"])


def add_link(path: Path, name: str, target: str) -> None:
    """A symbolic link, as archives store it."""
    entry = zipfile.ZipInfo(name)
    entry.create_system, entry.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(entry, target)


def pages(folder: Path, files: Mapping[Path, str]) -> Path:
    """An index on disk: a page for each package, which leads to its file at this address."""
    for path, address in files.items():
        page = folder / path.name.split("-")[0].replace("_", "-").lower() / "index.html"
        page.parent.mkdir(parents=True)
        page.write_text(f'<!DOCTYPE html><html><body><a href="{address}">{path.name}</a></body></html>')
    return folder


@contextmanager
def served(
    folder: Path, *, certificate: Path | None = None, login: str = "", sends_to: str = ""
) -> Iterator[tuple[str, list[str]]]:
    """A server of a folder on this host: its address, and what it was asked for."""
    asked: list[str] = []

    class Answer(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(folder))  # type: ignore[arg-type]

        def do_GET(self) -> None:
            asked.append(self.path)
            expected = "Basic " + base64.b64encode(login.encode()).decode()
            if login and self.headers.get("Authorization") != expected:
                self.send_error(401)
            elif sends_to and self.path.endswith(".whl"):
                self.send_response(302)
                self.send_header("Location", f"{sends_to}{self.path}")
                self.end_headers()
            else:
                super().do_GET()

        def log_message(self, *said: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield f"{'https' if certificate else 'http'}://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()
