"""Which agent CLIs are usable here, as far as this is known without asking their services."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from scribe_suite.errors import InfrastructureError
from scribe_suite.providers.clis.adapter import Adapter
from scribe_suite.providers.clis.binary import find_binary, version_of
from scribe_suite.providers.clis.driver import CliProvider
from scribe_suite.providers.clis.login import find_login
from scribe_suite.providers.registry import own_providers


@dataclass(frozen=True)
class CliDiagnosis:
    """The findings on one CLI.

    Attributes:
        provider: Its name for ``--provider``.
        title: Its product name.
        command: The command that runs it, or None when it was not found.
        version: The version it reports, or None when it does not run.
        login: Where a login was found, or None. Only the service knows whether it is valid.
        advice: What to do, a sentence each; empty when nothing is missing.
    """

    provider: str
    title: str
    command: str | None
    version: str | None
    login: str | None
    advice: tuple[str, ...]

    @property
    def ready(self) -> bool:
        """Whether an attempt can be started."""
        return not self.advice


def diagnose_clis(environ: Mapping[str, str] | None = None) -> list[CliDiagnosis]:
    """Look for every CLI, its version and its login.

    Args:
        environ: The user's environment; this process's own by default.
    """
    environment = os.environ if environ is None else environ
    return [_diagnose(provider, adapter, environment) for provider, adapter in adapters().items()]


def adapters() -> dict[str, type[Adapter]]:
    """The adapter of each agent CLI among our own entry points, by its name for ``--provider``."""
    providers = own_providers(__name__.rpartition(".")[0])
    return {provider.name: provider.adapter for provider in providers if issubclass(provider, CliProvider)}


def _diagnose(provider: str, adapter: type[Adapter], environ: Mapping[str, str]) -> CliDiagnosis:
    command = version = None
    advice = []
    try:
        binary = find_binary(adapter, environ)
    except InfrastructureError as error:
        advice.append(str(error))
    else:
        command, version = " ".join(binary), version_of(adapter, binary)
        if version is None:
            advice.append(f"{command} does not say its version: does it run?")
    login = find_login(adapter, environ)
    if not login and adapter.access(None, environ).needs_login:
        advice.append(f"No login was found: {adapter.login}.")
    return CliDiagnosis(provider, adapter.title, command, version, login.source or None, tuple(advice))
