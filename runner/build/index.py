"""Where packages come from: this host's configuration of pip, and the hosts that an index's own pages link to.

Configuration is read as pip documents it: files first, then variables. Only the options that locate the index and say
how to reach it are used; nothing else of the host's environment enters a build.
"""

import base64
import configparser
import contextlib
import http.client
import os
import ssl
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from runner.build import CannotBuild

OPTIONS = (
    "index-url", "extra-index-url", "find-links", "no-index", "trusted-host", "cert", "client-cert", "proxy",
    "timeout", "retries",
)  # fmt: skip
ADDRESSES = ("index-url", "extra-index-url", "find-links")
SAME = {"default-timeout": "timeout"}
SECTIONS = ("global", "install", "download")
PORTS = {"http": 80, "https": 443}
BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
PAGE_BYTES = 64 * 2**20
SECONDS = 30
MORE_HOSTS = "WEIR_INDEX_HOSTS"


def configured(prefix: Path, own: str) -> "Index":
    """Return the index that pip of the Python with this prefix uses; `own` is its default. Raises CannotBuild."""
    options: dict[str, str] = {}
    for path in _files(prefix):
        options |= _of_file(path)
    named = ((_option(name[4:]), value) for name, value in os.environ.items() if name.startswith("PIP_"))
    options |= {name: value for name, value in named if name in OPTIONS}
    bundle = next((os.environ[name] for name in BUNDLES if os.environ.get(name)), "")
    given = {name: value for name, value in options.items() if value.strip()}
    return Index(options={"index-url": own, **({"cert": bundle} if bundle else {}), **given})


def _option(name: str) -> str:
    plain = name.lower().replace("_", "-").removeprefix("--")
    return SAME.get(plain, plain)


def _files(prefix: Path) -> list[Path]:
    named = os.environ.get("PIP_CONFIG_FILE", "")
    if named == os.devnull:
        return []
    shared = (os.environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":")
    own = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    folders = [*(Path(folder) / "pip" for folder in shared if folder), Path("/etc")]
    folders += [Path.home() / ".pip", Path(own) / "pip", prefix]
    return [*(folder / "pip.conf" for folder in folders), *([Path(named)] if named else [])]


def _of_file(path: Path) -> dict[str, str]:
    read = configparser.RawConfigParser()
    try:
        read.read_string(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return {}
    except (configparser.Error, ValueError) as bad:
        raise CannotBuild(f"pip's configuration {path} cannot be read: {bad}") from bad
    found = (read.items(section) for section in SECTIONS if read.has_section(section))
    pairs = ((_option(name), value) for items in found for name, value in items)
    return {name: value for name, value in pairs if name in OPTIONS}


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.found += [value for name, value in attrs if name == "href" and value]


def _links(page: bytes, address: str) -> list[str]:
    read = _Links()
    read.feed(page.decode("utf-8", "replace"))
    found = []
    for link in read.found:
        with contextlib.suppress(ValueError):  # not a URL
            found.append(urljoin(address, link))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """pip's options, by name, that say where packages are."""

    options: Mapping[str, str]

    def _words(self, name: str) -> list[str]:
        return self.options.get(name, "").split()

    def _file(self, name: str) -> Path | None:
        path = self.options.get(name, "")
        return Path(path).expanduser() if path else None

    @property
    def _indexes(self) -> list[str]:
        closed = self.options.get("no-index", "").strip().lower() in ("1", "true", "yes", "on")
        return [] if closed else [*self._words("index-url"), *self._words("extra-index-url")]

    @property
    def _all(self) -> list[str]:
        return [*self._indexes, *self._words("find-links")]

    def text(self, *, direct: bool) -> str:
        """Return a configuration file for pip, without certificates, whose paths differ inside a sandbox."""
        left_out = ("cert", "client-cert") if direct else ("cert", "client-cert", "proxy")
        kept = {name: " ".join(value.split()) for name, value in self.options.items() if name not in left_out}
        kept |= {name: " ".join(map(_absolute, self._words(name))) for name in ADDRESSES if name in kept}
        return "[global]\n" + "".join(f"{name} = {value}\n" for name, value in kept.items())

    def certificates(self) -> dict[str, bytes]:
        """Return the contents of the certificates that pip trusts or presents, by the names that its step uses."""
        named = {"cert": self._file("cert"), "client": self._file("client-cert")}
        try:
            return {name: path.read_bytes() for name, path in named.items() if path}
        except OSError as bad:
            raise CannotBuild(f"pip's certificate {bad.filename} cannot be read ({bad.strerror}).") from bad

    # On this host's own disk

    def folders(self, names: Iterable[str]) -> list[Path]:
        """Return the folders of this host that pip must see: local indexes, folders of wheels, and what they link to.

        `names` are the wanted packages. Raises CannotBuild.
        """
        found: dict[Path, None] = {}
        for source in self._words("find-links"):
            if (path := _local(source)) is not None:
                found |= dict.fromkeys([path, *_led_to(path)])
        for source in self._indexes:
            if (path := _local(source)) is not None:
                found[path] = None
                for name in names:
                    found |= dict.fromkeys(_led_to(path / name / "index.html"))
        there = [path for path in found if path.exists()]
        if Path("/") in there:
            raise CannotBuild("pip's configuration names / as a source of packages. Name the folder itself.")
        return [path for path in there if not any(other in path.parents for other in there)]

    # On the network

    def hosts(self) -> set[tuple[str, int]]:
        """Return the (host, port) pairs that the operator has named, in pip's configuration or ours."""
        named = (f"https://{word}" for word in os.environ.get(MORE_HOSTS, "").split())
        return {_host(urlsplit(source)) for source in (*filter(_is_remote, self._all), *named)}

    def linked(self, names: Sequence[str]) -> Iterator[set[tuple[str, int]]]:
        """Yield, page by page, the (host, port) pairs that the index's pages of these packages link to."""
        pages = [source for source in self._words("find-links") if _is_remote(source)]
        roots = [source.rstrip("/") for source in self._indexes if _is_remote(source)]
        pages += [f"{root}/{name}/" for name in names for root in roots]
        for page in pages:
            links = _links(self._fetch(page), page)
            yield {_host(urlsplit(link)) for link in links if _is_remote(link)}

    def _fetch(self, address: str) -> bytes:
        """Return a page of the index; empty if there is none or the index does not answer."""
        parts = urlsplit(address)
        bare = parts._replace(netloc=parts.netloc.rpartition("@")[2])
        request = urllib.request.Request(bare.geturl(), headers={"Accept": "text/html"})  # noqa: S310 http(s): see _is_remote
        for name, value in credentials(parts, "Authorization").items():
            request.add_unredirected_header(name, value)  # only this host may see the password
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler(self.proxies()),
            urllib.request.HTTPSHandler(context=self._context(parts)),
        )
        try:
            with opener.open(request, timeout=SECONDS) as answer:
                page: bytes = answer.read(PAGE_BYTES)
        except (OSError, ValueError, http.client.HTTPException):
            return b""
        return page

    def _context(self, parts: SplitResult) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self._file("cert"))
        if client := self._file("client-cert"):
            context.load_cert_chain(client)
        if {parts.hostname, f"{parts.hostname}:{parts.port}"} & set(self._words("trusted-host")):
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context

    def proxies(self) -> dict[str, str]:
        """Return the operator's own proxies by scheme, from pip's configuration or the environment."""
        if named := self.options.get("proxy"):
            return dict.fromkeys(PORTS, named if "://" in named else f"http://{named}")
        return urllib.request.getproxies()


def _is_remote(source: str) -> bool:
    return urlsplit(source).scheme in PORTS


def _host(parts: SplitResult) -> tuple[str, int]:
    try:
        return parts.hostname or "", parts.port or PORTS[parts.scheme]
    except ValueError:  # the port is not a number
        return "", 0


def credentials(parts: SplitResult, header: str) -> dict[str, str]:
    """Return the HTTP header with the user name and password of a URL; empty if it has none."""
    if parts.username is None:
        return {}
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {header: "Basic " + base64.b64encode(pair.encode()).decode("ascii")}


def _local(source: str) -> Path | None:
    """Return the path on this host that a source names, or None if it is remote."""
    parts = urlsplit(source)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return None if parts.scheme in PORTS else Path(source).expanduser().absolute()


def _absolute(source: str) -> str:
    """Make a relative path absolute, because pip runs in another folder."""
    return source if urlsplit(source).scheme else str(_local(source))


def _led_to(page: Path) -> list[Path]:
    """Return the folders of this host that a local page links to."""
    try:
        content = page.read_bytes()[:PAGE_BYTES] if page.is_file() else b""
    except OSError:
        content = b""
    local = (_local(link) for link in _links(content, page.as_uri()))
    return list(dict.fromkeys(Path(os.path.normpath(path)).parent for path in local if path is not None))
