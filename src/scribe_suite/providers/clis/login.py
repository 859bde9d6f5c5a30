"""Finds an agent CLI's login, and the part that is passed on: one key, or the CLI's login files."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from scribe_suite.providers.clis.adapter import Adapter
from scribe_suite.providers.secrets import values_in, values_in_file
from scribe_suite.untrusted_files import UntrustedFolder

#: Largest credentials file in a CLI's home, in bytes; the CLI may write anything there.
MAX_CREDENTIALS_BYTES = 10 << 20
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


@dataclass(frozen=True)
class Login:
    """A login that was found; only the service knows whether it is valid.

    Attributes:
        variables: Environment variables that hold keys.
        files: Credentials files, and their places below the CLI's home.
    """

    variables: tuple[str, ...] = ()
    files: Mapping[Path, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.variables or self.files)

    @property
    def source(self) -> str:
        """Its description, for users."""
        return ", ".join(self.variables) or ", ".join(str(path) for path in self.files)


def find_login(adapter: type[Adapter], environ: Mapping[str, str], model: str | None = None) -> Login:
    """Find the login of a CLI: keys in variables, else files.

    Args:
        adapter: The CLI.
        environ: The user's environment.
        model: Its model, where the login depends on that.
    """
    variables = tuple(name for name in adapter.access(model, environ).keys if environ.get(name))
    if variables:
        return Login(variables)
    files = {}
    for source, target in adapter.credentials.items():
        path = _place(adapter, source, environ)
        if path.is_file():
            files[path] = target
    return Login(files=files)


def give_login(login: Login, home: Path) -> None:
    """Copy the files of a login to a CLI's home; keys are passed in its environment."""
    for path, target in login.files.items():
        place = home / target
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copyfile(path, place)
        place.chmod(0o600)


def secrets_of(login: Login, home: UntrustedFolder, environ: Mapping[str, str]) -> list[str]:
    """All secrets that a CLI has received: keys, tokens in its files, passwords of proxies.

    Args:
        login: Its login.
        home: Its home, where a CLI may have replaced its tokens by newer ones.
        environ: The user's environment.
    """
    secrets = [environ[name] for name in login.variables]
    for path, target in login.files.items():
        secrets += values_in_file(path)
        with contextlib.suppress(OSError):
            secrets += values_in(home.read(target, MAX_CREDENTIALS_BYTES))
    for name in (*_PROXIES, *map(str.lower, _PROXIES)):
        secrets.append(_password(environ.get(name, "")))
    return [secret for secret in secrets if secret]


def _place(adapter: type[Adapter], source: str, environ: Mapping[str, str]) -> Path:
    """The path of a file that is usually below the user's home, or where the CLI's own variable says."""
    moved = environ.get(adapter.config_variable)
    if moved:
        return Path(moved) / (Path(source) if adapter.config_is_home else Path(*Path(source).parts[1:]))
    return Path(environ.get("HOME", "/nonexistent")) / source


def _password(url: str) -> str:
    try:
        return urlsplit(url).password or ""
    except ValueError:
        return ""
