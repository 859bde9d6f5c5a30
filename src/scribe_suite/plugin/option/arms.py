"""``--access``: the arms in which tasks are run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from scribe_suite.ledger.records import ALL_ARMS
from scribe_suite.tasks.access import ACCESSES, Access
from scribe_suite.tasks.facts import TaskFacts


@dataclass(frozen=True)
class ArmChoice:
    """The requested arms; by default, that of each task's level.

    Attributes:
        arms: The arms, in the order of `ACCESSES`.
    """

    arms: tuple[Access, ...] = ()

    @classmethod
    def parse(cls, text: str) -> ArmChoice:
        """Read ``all``, an arm, or a comma list of arms.

        Raises:
            ValueError: With a sentence for a person, when it is none of them.
        """
        names = set(ACCESSES) if text.strip() == ALL_ARMS else {part.strip() for part in text.split(",")}
        if not names <= set(ACCESSES):
            raise ValueError(
                f"{text!r} is not a way to provide a model: give {', '.join(ACCESSES)}, a list of them, or "
                f"{ALL_ARMS!r}."
            )
        return cls(tuple(access for access in ACCESSES if access in names))

    def __str__(self) -> str:
        return ALL_ARMS if self.arms == ACCESSES else ",".join(self.arms)

    def of(self, task: TaskFacts) -> Iterator[TaskFacts]:
        """A task in each of the arms in which it is run."""
        if not self.arms:
            yield task
        yield from (task.in_arm(access) for access in self.arms if access in task.accesses)

    def not_found(self, chosen: Iterable[TaskFacts]) -> str | None:
        """Why the run would not match the request, in one sentence, or None.

        Args:
            chosen: The tasks that are run.
        """
        missing = [access for access in self.arms if access not in {task.access for task in chosen}]
        if not missing or (self.arms == ACCESSES and len(missing) < len(ACCESSES)):
            return None
        return (
            f"--access {self}: no selected task has the arm {' or '.join(missing)}. Not every task has it "
            "(see docs/reference/budgets.md), and the reference has no solution for outputs alone."
        )
