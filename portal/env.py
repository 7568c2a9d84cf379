"""Typed readers of environment variables. Only portal/settings.py calls them."""

import ipaddress
import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

DEFAULT_PORTS = {"http": 80, "https": 443}


class BadSetting(RuntimeError):
    """An environment variable is missing or invalid."""


def load_state(state: Path) -> None:
    """Load the variables that bin/launch stored for this state folder, without overriding the environment."""
    path = state / "settings.json"
    if path.is_file():
        for name, value in json.loads(path.read_text()).items():
            os.environ.setdefault(name, value)


def text(name: str, default: str | None = None) -> str:
    """Return a string, or the content of the file that the variable with the suffix _FILE names."""
    if path := os.environ.get(f"{name}_FILE"):
        return Path(path).read_text().strip()
    value = os.environ.get(name, default)
    if value is None:
        raise BadSetting(f"{name} is not set. Set it, or set {name}_FILE to a file that contains it.")
    return value


def flag(name: str, *, default: bool) -> bool:
    value = os.environ.get(name, "1" if default else "0").lower()
    if value not in {"0", "1", "true", "false"}:
        raise BadSetting(f"{name} must be 1 or 0, not {value!r}.")
    return value in {"1", "true"}


def number(name: str, default: int) -> int:
    value = os.environ.get(name, str(default))
    if not value.isdecimal():
        raise BadSetting(f"{name} must be a whole number, not {value!r}.")
    return int(value)


def words(name: str, default: list[str]) -> list[str]:
    """Return a list from a comma-separated value."""
    value = os.environ.get(name)
    return default if value is None else _between_commas(value)


def texts(name: str) -> list[str]:
    """Return a list from a comma-separated value, or from the file that the variable with the suffix _FILE names."""
    return _between_commas(text(name, ""))


def _between_commas(value: str) -> list[str]:
    return [word.strip() for word in value.split(",") if word.strip()]


def networks(name: str) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """Return networks from a comma-separated value such as 127.0.0.1, 10.1.0.0/16, fd00::/8."""
    try:
        return [ipaddress.ip_network(word) for word in words(name, [])]
    except ValueError as bad:
        raise BadSetting(f"{name} must be a comma-separated list of addresses and networks: {bad}.") from bad


def base_url(name: str, default: str) -> str:
    """Return the portal's scheme and host, with the port unless it is the scheme's default, and no path."""
    value = text(name, default).rstrip("/").lower()
    try:
        url = urlsplit(value)
        port = url.port
    except ValueError as bad:
        raise BadSetting(
            f"{name} must be an address such as https://weir.example.org, not {value!r} ({bad})."
        ) from bad
    if url.scheme not in {"http", "https"} or not url.hostname or f"{url.scheme}://{url.netloc}" != value:
        raise BadSetting(f"{name} must be an address such as https://weir.example.org, not {value!r}.")
    if "@" in url.netloc:
        raise BadSetting(f"{name} must not contain a user or a password.")
    # Browsers omit a scheme's default port from the Origin header, which is compared with this.
    return value.removesuffix(f":{port}" if port == DEFAULT_PORTS[url.scheme] else ":")


def choice(name: str, known: dict[str, str]) -> str:
    """Return the value that `known` has for the variable's word. The first word is the default."""
    value = os.environ.get(name, next(iter(known)))
    if value not in known:
        raise BadSetting(f"{name} must be one of {', '.join(known)}, not {value!r}.")
    return known[value]


def path(name: str, default: Path) -> Path:
    return Path(os.environ.get(name, default)).resolve()


def database(name: str) -> dict[str, Any]:
    """Return Django's settings for postgresql://user:password@host:port/name, or with ?host=/folder/of/the/socket."""
    url = urlsplit(text(name, "postgresql://weir@127.0.0.1:5432/weir"))
    if url.scheme not in {"postgres", "postgresql"}:
        raise BadSetting(f"{name} must begin with postgresql://. Weir works only with Postgres.")
    options = {key: values[-1] for key, values in parse_qs(url.query).items()}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(url.path.lstrip("/")),
        "USER": unquote(url.username or ""),
        "PASSWORD": unquote(url.password or ""),
        "HOST": options.pop("host", url.hostname or ""),
        "PORT": str(url.port or ""),
        "CONN_MAX_AGE": 0,
        "OPTIONS": options,
    }


def broker(name: str, redis_url: str) -> str:
    """Return the broker's URL: its own variable, else the Redis server, with unix:// rewritten for kombu."""
    url = text(name, redis_url)
    if not url.startswith("unix://"):
        return url
    parts = urlsplit(url)
    db = parse_qs(parts.query).get("db", ["0"])[-1]
    secret = f"{parts.username or ''}:{parts.password}@" if parts.password else ""
    return f"redis+socket://{secret}{parts.path}?virtual_host={db}"


def user_of(url: str) -> str:
    """Return the user name in a URL, or ""."""
    return unquote(urlsplit(url).username or "")


def mail(name: str, state: Path) -> tuple[str, dict[str, str]]:
    """Return the mail backend and its options for `file` (the default), `console`, or smtp://user:password@host:port.

    smtps:// means TLS. `file` writes each mail to the folder "mail" of the state folder.
    """
    value = text(name, "file")
    if value == "console":
        return "django.core.mail.backends.console.EmailBackend", {}
    if value == "file":
        (state / "mail").mkdir(mode=0o700, parents=True, exist_ok=True)
        return "django.core.mail.backends.filebased.EmailBackend", {}
    url = urlsplit(value)
    if url.scheme not in {"smtp", "smtps"} or not url.hostname:
        raise BadSetting(f"{name} must be file, console or smtp://user:password@host:port.")
    return "django.core.mail.backends.smtp.EmailBackend", {
        "host": url.hostname,
        "port": str(url.port or 25),
        "user": unquote(url.username or ""),
        "password": unquote(url.password or ""),
        "tls": "1" if url.scheme == "smtps" else "",
    }
