"""The budget of a sweep: an attempt begins only if the most it may use still fits.

Every process that makes attempts has its own file with what its attempts have used, and what running ones may still
use. The sum over all files is what is spent or reserved. It is read and extended under a lease, so that two machines
can't reserve the same dollars. The reservation of a killed process counts as spent, since its attempts may have cost
that much.
"""

from __future__ import annotations

import os
import platform
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from scribe_suite.errors import InfrastructureError
from scribe_suite.providers.leases import Leases

#: Names, in the sweep's folder, of the budget's file and the folder with the expenses.
BUDGET_FILE, SPENT_BELOW = "budget.json", "shared/spent"
_LEASE = "budget"
_POLL_S = 0.2
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Amounts(BaseModel):
    """What attempts use.

    Attributes:
        attempts: Their number, including infrastructure failures.
        hours: Hours of agents' time, summed over attempts.
        usd: US dollars.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    attempts: int = 0
    hours: Amount = 0.0
    usd: Amount = 0.0

    def __add__(self, other: Amounts) -> Amounts:
        return Amounts(
            attempts=self.attempts + other.attempts, hours=self.hours + other.hours, usd=self.usd + other.usd
        )


class Budget(BaseModel):
    """The limits of a sweep, None where there is none; the fields are those of `Amounts`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    attempts: Annotated[int, Field(gt=0)] | None = None
    hours: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    usd: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None

    #: Field -> its unit.
    UNITS: ClassVar[dict[str, str]] = {"attempts": "attempts", "hours": "hours", "usd": "US dollars"}

    def exceeded(self, taken: Amounts) -> list[str]:
        """The limit that `taken` exceeds, such as ``12.5 US dollars of 10``."""
        found = []
        for name, unit in self.UNITS.items():
            most, amount = getattr(self, name), getattr(taken, name)
            # rounding may keep a sum of fractions from reaching a whole number
            if most is not None and amount > most * (1 + 1e-9):
                found.append(f"{amount:.4g} {unit} of {most:g}")
        return found


class Charge:
    """What one attempt uses; filled in when it is known.

    Attributes:
        usd: US dollars, or None where unknown; the most it may have used counts then.
    """

    usd: float | None = None


class SweepBudget:
    """The budget, for one process that makes attempts.

    Args:
        sweep: The sweep's folder.
    """

    def __init__(self, sweep: Path) -> None:
        self._sweep = sweep
        self._folder = sweep / SPENT_BELOW
        self._own = self._folder / f"{platform.node()}-{os.getpid()}-{secrets.token_hex(4)}.json"
        self._settled = self._promised = Amounts()

    @contextmanager
    def attempt(self, most: Amounts) -> Iterator[Charge]:
        """Reserve for an attempt that is made in the block.

        Args:
            most: The most it may use.

        Raises:
            InfrastructureError: With cause ``sweep_budget`` when that no longer fits and the attempt must not begin;
                with cause ``slots`` when the sweep's folder can't be used.
        """
        try:
            self._promise(most)
        except OSError as error:
            raise InfrastructureError(
                "slots", f"The budget of the sweep in {self._sweep} can't be read or written ({error})."
            ) from error
        charge, begin = Charge(), time.monotonic()
        try:
            yield charge
        finally:
            usd = most.usd if charge.usd is None else charge.usd
            self._settled += Amounts(attempts=1, hours=(time.monotonic() - begin) / 3600, usd=usd)
            self._promised = Amounts()
            with suppress(OSError):  # what is promised there stays, and counts as spent
                self._write()

    def _promise(self, most: Amounts) -> None:
        leases = Leases(self._folder / "lease")
        while (lease := leases.take([_LEASE])) is None:
            time.sleep(_POLL_S)
        try:
            exceeded = read_budget(self._sweep).exceeded(spent(self._sweep) + most)
            if exceeded:
                raise InfrastructureError(
                    "sweep_budget",
                    f"With this attempt the sweep could take {' and '.join(exceeded)}: resume it with a larger budget.",
                )
            self._promised = most
            self._write()
        finally:
            lease.close()

    def _write(self) -> None:
        _replace(self._own, (self._settled + self._promised).model_dump_json())


def read_budget(sweep: Path) -> Budget:
    """Read the budget of a sweep; a missing one has no limits.

    Raises:
        OSError: When it can't be read or is damaged, because then nothing may begin.
    """
    try:
        return Budget.model_validate_json((sweep / BUDGET_FILE).read_bytes())
    except FileNotFoundError:
        return Budget()
    except ValidationError as error:
        raise OSError(f"{sweep / BUDGET_FILE} is damaged") from error


def write_budget(sweep: Path, budget: Budget) -> None:
    """Set or replace the budget of a sweep.

    Raises:
        OSError: When it can't be written.
    """
    _replace(sweep / BUDGET_FILE, budget.model_dump_json())


def spent(sweep: Path) -> Amounts:
    """What the attempts of a sweep have used, plus what running ones may still use.

    Raises:
        OSError: When it can't be read, or is damaged.
    """
    total = Amounts()
    for path in sorted((sweep / SPENT_BELOW).glob("*.json")):
        try:
            total += Amounts.model_validate_json(path.read_bytes())
        except ValidationError as error:
            raise OSError(f"{path} is damaged") from error
    return total


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        temporary.write_text(f"{text}\n")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
