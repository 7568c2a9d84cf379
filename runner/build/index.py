"""Where packages come from: what this host's pip is configured with, and where an index's own pages lead.

Configuration is read as pip documents it: files first, then variables. Of both, only what says where the index is and
how to reach it; all else of the host's environment stays out of a build.
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
    """What pip of the Python with this prefix would use. `own`: the index that is built into it. Raises CannotBuild."""
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
        with contextlib.suppress(ValueError):  # no address at all
            found.append(urljoin(address, link))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """pip's options by name, of those that say where packages are."""

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
        """As a file that pip reads. Certificates are named elsewhere: they lie in other places for a sandbox."""
        left_out = ("cert", "client-cert") if direct else ("cert", "client-cert", "proxy")
        kept = {name: " ".join(value.split()) for name, value in self.options.items() if name not in left_out}
        kept |= {name: " ".join(map(_absolute, self._words(name))) for name in ADDRESSES if name in kept}
        return "[global]\n" + "".join(f"{name} = {value}\n" for name, value in kept.items())

    def certificates(self) -> dict[str, bytes]:
        """The contents of the files that pip is to trust, or to show, by the names that its step has for them."""
        named = {"cert": self._file("cert"), "client": self._file("client-cert")}
        try:
            return {name: path.read_bytes() for name, path in named.items() if path}
        except OSError as bad:
            raise CannotBuild(f"pip's certificate {bad.filename} cannot be read ({bad.strerror}).") from bad

    # On this host's own disk

    def folders(self, names: Iterable[str]) -> list[Path]:
        """What of this host pip has to see: local indexes, folders of wheels, and where their pages lead for these."""
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

    # In the network

    def hosts(self) -> set[tuple[str, int]]:
        """Hosts and ports that the operator has named, to pip or to us."""
        named = (f"https://{word}" for word in os.environ.get(MORE_HOSTS, "").split())
        return {_host(urlsplit(source)) for source in (*filter(_is_remote, self._all), *named)}

    def linked(self, names: Sequence[str]) -> Iterator[set[tuple[str, int]]]:
        """Hosts and ports that the index's pages of these packages lead to, page by page."""
        pages = [source for source in self._words("find-links") if _is_remote(source)]
        roots = [source.rstrip("/") for source in self._indexes if _is_remote(source)]
        pages += [f"{root}/{name}/" for name in names for root in roots]
        for page in pages:
            links = _links(self._fetch(page), page)
            yield {_host(urlsplit(link)) for link in links if _is_remote(link)}

    def _fetch(self, address: str) -> bytes:
        """A page of the index; nothing when it has none, or does not answer."""
        parts = urlsplit(address)
        bare = parts._replace(netloc=parts.netloc.rpartition("@")[2])
        request = urllib.request.Request(bare.geturl(), headers={"Accept": "text/html"})  # noqa: S310 http(s): see _is_remote
        for name, value in credentials(parts, "Authorization").items():
            request.add_unredirected_header(name, value)  # the password is for this host alone
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
        """The operator's own proxy, by scheme: pip's, or that of the environment."""
        if named := self.options.get("proxy"):
            return dict.fromkeys(PORTS, named if "://" in named else f"http://{named}")
        return urllib.request.getproxies()


def _is_remote(source: str) -> bool:
    return urlsplit(source).scheme in PORTS


def _host(parts: SplitResult) -> tuple[str, int]:
    try:
        return parts.hostname or "", parts.port or PORTS[parts.scheme]
    except ValueError:  # no number for a port
        return "", 0


def credentials(parts: SplitResult, header: str) -> dict[str, str]:
    """The name and password of an address, as this header of HTTP carries them; nothing when it has none."""
    if parts.username is None:
        return {}
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {header: "Basic " + base64.b64encode(pair.encode()).decode("ascii")}


def _local(source: str) -> Path | None:
    """The place on this host that is meant, when it is one."""
    parts = urlsplit(source)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return None if parts.scheme in PORTS else Path(source).expanduser().absolute()


def _absolute(source: str) -> str:
    """A path may be said from here; pip runs elsewhere."""
    return source if urlsplit(source).scheme else str(_local(source))


def _led_to(page: Path) -> list[Path]:
    """The folders of this host that a local page's links lead to."""
    try:
        content = page.read_bytes()[:PAGE_BYTES] if page.is_file() else b""
    except OSError:
        content = b""
    local = (_local(link) for link in _links(content, page.as_uri()))
    return list(dict.fromkeys(Path(os.path.normpath(path)).parent for path in local if path is not None))
