"""What an option of the plugin is: one row, from which everything else about it is made."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from scribe_suite.ledger.records import RunHeader

#: What is code in a help text: what is code there already, quoted words, options, specifications and folders.
_CODE = re.compile(r"`[^`]+`|'(?P<quoted>[a-z]+)'|--[a-z-]+(?:[ =][A-Z]+\b)?|\b[a-z_]+(?::[a-z0-9]+|/)")
Action = Literal["store", "append", "store_true"]


def _as_it_is(value: Any) -> Any:
    return value


@dataclass(frozen=True)
class Kept:
    """How an option belongs to a run: one that is resumed has it from its header, and no other value may be given.

    Attributes:
        recorded: Its value in a header, as the option's parser would return it.
        same: Whether a value that was given means the recorded one, where equality does not say it.
        shown: The recorded value for a message, where `recorded` is not it.
    """

    recorded: Callable[[RunHeader], Any]
    same: Callable[[Any, RunHeader], bool] | None = None
    shown: Callable[[RunHeader], Any] | None = None

    def contradicted(self, given: Any, header: RunHeader) -> bool:
        """Whether a value that was given is another one than the run's."""
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

    The parser of the command line knows no defaults, so that a resumed run can tell which options were given.

    Attributes:
        flag: As on the command line.
        help: What it does; the default is added to it.
        default: Its value where neither the command line nor a resumed run has one; as `parse` would return it.
        default_text: The default for a person, where `default` does not say it.
        parse: Reads a value of the command line. It returns builtins only, because xdist ships them to workers.
        metavar: Stands for the value in ``--help``.
        choices: The values there are, or empty.
        action: As argparse calls it.
        setting: The field of `Settings` that it sets, ``limits.NAME`` for one of its limits; None where something else
            reads the option.
        read: The field's value from the option's, which is not None.
        kept: How a resumed run has it; None where it belongs to the session.
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
        """The default for a person."""
        if self.default_text:
            return self.default_text
        if isinstance(self.default, list):
            return ",".join(self.default)
        return f"{self.default:g}" if isinstance(self.default, float) else str(self.default)

    @property
    def usage(self) -> str:
        """The option with what stands for its value, as in ``--trials N``."""
        value = "|".join(self.choices) or self.metavar
        return f"{self.flag} {value}" if value else self.flag

    def parser_arguments(self) -> dict[str, Any]:
        """What argparse's ``add_argument`` gets besides the flag."""
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
