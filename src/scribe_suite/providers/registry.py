"""The registry of providers: classes named in the entry-point group ``scribe_suite.providers``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points

from scribe_suite.errors import ConfigurationError
from scribe_suite.providers.base import Need, Provider

GROUP = "scribe_suite.providers"
#: Providers that need an argument after the colon, with an example; ``all`` leaves them out.
WITH_ARGUMENT = {
    "command": "command:./my_agent",
    "inspect": "inspect:openai/gpt-5.2",
    "replay": "replay:20261122-174501-a1b2c3",
}
#: Not in ``all`` either: one tests the suite and is not comparable with agents, the other waits for a person.
NOT_IN_ALL = frozenset({"cheat", "human"})
#: Package of the built-in providers that are not agent CLIs.
_FREE = "scribe_suite.providers.builtin."
_SPEC = re.compile(r"[A-Za-z0-9_]+(:[A-Za-z0-9_.:/@+-]+)?")


@dataclass(frozen=True, order=True)
class ProviderSpec:
    """One value of ``--provider``: a name and, for providers with several models, a model."""

    name: str
    model: str | None = None

    def __str__(self) -> str:
        return self.name if self.model is None else f"{self.name}:{self.model}"


def provider_names() -> list[str]:
    """The names of all installed providers, sorted."""
    return sorted(_entry_points())


def parse_specs(values: Sequence[str]) -> list[ProviderSpec]:
    """Read the values of ``--provider``: comma lists, ``NAME:MODEL``, ``all``; duplicates are dropped, order is kept.

    ``all`` means the providers that need no argument, without those in `NOT_IN_ALL`.

    Raises:
        ConfigurationError: For an unknown or malformed name, or when nothing is named.
    """
    specs: list[ProviderSpec] = []
    for text in (part.strip() for value in values for part in value.split(",")):
        if text == "all":
            left_out = NOT_IN_ALL.union(WITH_ARGUMENT)
            specs.extend(ProviderSpec(name) for name in provider_names() if name not in left_out)
        elif text:
            specs.append(_parse_spec(text))
    if not specs:
        raise ConfigurationError(f"No provider is named: choose from {', '.join(provider_names())}, or 'all'.")
    return list(dict.fromkeys(specs))


def load_provider(spec: ProviderSpec) -> Provider:
    """Import and create the provider that `spec` names.

    Raises:
        ConfigurationError: When it is unknown, can't be imported, or is not a `Provider` of that name.
    """
    point = _entry_points().get(spec.name)
    if point is None:
        raise ConfigurationError(_unknown(spec.name))
    try:
        cls = point.load()
    except Exception as error:
        raise ConfigurationError(
            f"The provider {spec.name!r} can't be imported from {point.value} ({type(error).__name__}: {error})."
        ) from error
    if not (isinstance(cls, type) and issubclass(cls, Provider) and cls.name == spec.name):
        raise ConfigurationError(
            f"The entry point {spec.name!r} names {point.value}, which is not a Provider subclass called {spec.name!r}."
        )
    return cls()


def own_providers(package: str) -> list[type[Provider]]:
    """The installed providers whose classes are in a subpackage of this package, by name.

    Args:
        package: For example ``scribe_suite.providers.clis``; no other package is imported.
    """
    points = sorted(_entry_points().items())
    return [type(load_provider(ProviderSpec(name))) for name, point in points if point.module.startswith(f"{package}.")]


def costs_money(provider: Provider) -> bool:
    """Whether its attempts may cost money; only built-in providers without a model never do."""
    return not type(provider).__module__.startswith(_FREE) or provider.name == "command"


def granted_needs(provider: Provider) -> frozenset[Need]:
    """The needs that the harness grants: only those of this package's own providers.

    Raises:
        ConfigurationError: When another package's provider asks for the key or the solution.
    """
    if provider.needs and type(provider).__module__.partition(".")[0] != __name__.partition(".")[0]:
        raise ConfigurationError(
            f"The provider {provider.name!r} asks for {', '.join(sorted(provider.needs))}, which only built-in "
            f"providers may have: leave 'needs' empty."
        )
    return provider.needs


def _entry_points() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def _parse_spec(text: str) -> ProviderSpec:
    if not _SPEC.fullmatch(text):
        raise ConfigurationError(f"Provider {text!r} is not of the form NAME or NAME:MODEL.")
    name, _, model = text.partition(":")
    if name not in provider_names():
        raise ConfigurationError(_unknown(name))
    if not model and name in WITH_ARGUMENT:
        raise ConfigurationError(f"The provider {name!r} needs something after a colon, as in {WITH_ARGUMENT[name]}.")
    return ProviderSpec(name, model or None)


def _unknown(name: str) -> str:
    close = get_close_matches(name, provider_names(), n=1, cutoff=0.5)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return f"Unknown provider {name!r}: choose from {', '.join(provider_names())}, or 'all'.{hint}"
