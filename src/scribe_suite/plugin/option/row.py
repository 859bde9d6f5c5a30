"""An option of the plugin as one row, from which everything else about it is made."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from scribe_suite.ledger.records import RunHeader

#: The parts of a help text that become code: existing code, quoted words, options, specifications and folders.
_CODE = re.compile(r"`[^`]+`|'(?P<quoted>[a-z]+)'|--[a-z-]+(?:[ =][A-Z]+\b)?|\b[a-z_]+(?::[a-z0-9]+|/)")
Action = Literal["store", "append", "store_true"]


def _as_it_is(value: Any) -> Any:
    return value


@dataclass(frozen=True)
class Kept:
    """An option that belongs to a run: a resumed run takes it from its header, and no other value may be given.

    Attributes:
        recorded: Gets its value from a header, as the option's parser would return it.
        same: Whether a given value is equivalent to the recorded one, where equality is not the test.
        shown: The recorded value for messages, where it differs from `recorded`.
    """

    recorded: Callable[[RunHeader], Any]
    same: Callable[[Any, RunHeader], bool] | None = None
    shown: Callable[[RunHeader], Any] | None = None

    def contradicted(self, given: Any, header: RunHeader) -> bool:
        """Whether a given value differs from the run's."""
        return bool(given != self.recorded(header)) if self.same is None else not self.same(given, header)

    def shown_value(self, header: RunHeader) -> str:
        """The run's value, for a message."""
        value = (self.shown or self.recorded)(header)
        if value is None or value is False:
            return "not given"
        return ",".join(value) if isinstance(value, list) else f"{value}"


@dataclass(frozen=True)
class Option:
    """One option.

    The command-line parser has no defaults, so that a resumed run can tell which options were given.

    Attributes:
        flag: Its name on the command line.
        help: Its help text; the default is added.
        default: Its value if neither the command line nor a resumed run gives one, as `parse` would return it.
        default_text: The default in words, where `default` is not clear.
        parse: Parses a value of the command line. It returns only builtins, because xdist sends them to workers.
        metavar: The placeholder for the value in ``--help``.
        choices: The possible values, or empty.
        action: The action of argparse.
        setting: The field of `Settings` that it sets, ``limits.NAME`` for one of its limits; None where something else
            reads the option.
        read: Converts the option's value, which is not None, to the field's value.
        kept: How a resumed run keeps it; None where it belongs to the session.
    """

    flag: str
    help: str
    default: Any = None
    default_text: str = ""
    parse: Callable[[str], Any] | None = None
    metavar: str | None = None
    choices: tuple[str, ...] = ()
    action: Action = "store"
    setting: str | None = None
    read: Callable[[Any], Any] = _as_it_is
    kept: Kept | None = None

    @property
    def name(self) -> str:
        """The attribute of pytest's parsed options."""
        return self.flag.lstrip("-").replace("-", "_")

    @property
    def shown_default(self) -> str:
        """The default in words."""
        if self.default_text:
            return self.default_text
        if isinstance(self.default, list):
            return ",".join(self.default)
        return f"{self.default:g}" if isinstance(self.default, float) else str(self.default)

    @property
    def usage(self) -> str:
        """The option with its placeholder, as in ``--trials N``."""
        value = "|".join(self.choices) or self.metavar
        return f"{self.flag} {value}" if value else self.flag

    def parser_arguments(self) -> dict[str, Any]:
        """The arguments of argparse's ``add_argument`` besides the flag."""
        arguments: dict[str, Any] = {"help": f"{self.help} (default: {self.shown_default})", "default": None}
        optional = {"type": self.parse, "metavar": self.metavar, "choices": self.choices or None}
        if self.action != "store":
            arguments["action"] = self.action
        return arguments | {name: value for name, value in optional.items() if value is not None}

    def table_row(self) -> str:
        """The row in the documentation's table, in Markdown."""
        default = _markdown(self.default_text) if self.default_text else f"`{self.shown_default}`"
        kept = "yes" if self.kept is not None else ""
        usage = self.usage.replace("|", "\\|")
        return f"| `{usage}` | {default} | {kept} | {_markdown(self.help)} |"


def _markdown(text: str) -> str:
    """A help text in Markdown: quoted words, options and names of files as code."""
    return _CODE.sub(lambda found: f"`{found['quoted'] or found[0].strip('`')}`", text)
