"""Worker side: the laboratories of a run, with one process for all planted models and one for each language model.

They are started when an attempt first needs them and kept for later ones; each attempt has its own desk.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scribe_suite.errors import InfrastructureError
from scribe_suite.ledger.records import LaboratoryUse
from scribe_suite.models.device import current_device
from scribe_suite.plugin.worker.kernels import PRELOAD, shared_for
from scribe_suite.plugin.worker.submissions import Spend
from scribe_suite.sandbox.tiers import IsolationTier
from scribe_suite.seeds import derive_seed
from scribe_suite.tasks.task import TaskInstance

if TYPE_CHECKING:  # numpy and safetensors, which runs without a laboratory need not wait for
    from scribe_suite.laboratory.desk import Desk
    from scribe_suite.laboratory.host import Laboratory


class Laboratories:
    """The model processes of this worker.

    Args:
        tier: How they are isolated.
        hidden: Host folders that they must not see.
    """

    def __init__(self, tier: IsolationTier, hidden: tuple[Path, ...]) -> None:
        self._tier, self._hidden = tier, hidden
        self._open: dict[str | None, Laboratory] = {}

    @contextmanager
    def desk(self, instance: TaskInstance, outputs: Path) -> Iterator[Desk | None]:
        """The desk of one attempt, or None where its arm has no laboratory.

        Args:
            instance: The instance whose model is run.
            outputs: The folder for the record of experiments.

        Raises:
            InfrastructureError: When the model can't be loaded or the record can't be written.
        """
        terms, public = instance.handed.terms, instance.public
        if terms is None:
            yield None
            return
        from scribe_suite.laboratory.desk import Desk
        from scribe_suite.laboratory.record import FILE_NAME, ExperimentRecord

        laboratory = self._laboratory(public.model)
        with ExitStack() as stack:
            if public.model is None:
                name = outputs.parent.name
                config, state = (public.run_files[file] for file in ("config.json", "model.safetensors"))
                stack.callback(laboratory.unload, name)
                shape = laboratory.load(name, json.loads(config), state)
            else:
                (module,) = shared_for(public.model)
                name, shape = module.name, laboratory.load_shared(module.name)
            facts = {"task": instance.task.id, "terms": terms.told(), "shape": shape.model_dump(mode="json")}
            record = ExperimentRecord(outputs / FILE_NAME, **facts)
            secret = derive_seed(instance.seed, "laboratory").to_bytes(8, "big")  # a replay has the same noise
            desk = Desk(laboratory, name, shape, terms, record, secret)
            stack.callback(_end, desk)
            yield desk

    def close(self) -> None:
        """End the processes."""
        while self._open:
            self._open.popitem()[1].close()

    def _laboratory(self, model: str | None) -> Laboratory:
        from scribe_suite.laboratory.host import Laboratory

        if model not in self._open:
            self._open[model] = Laboratory(
                self._tier,
                hidden=self._hidden,
                preload=PRELOAD,  # as kernels have it, so that both are forked from one process
                shared=shared_for(model),
                device="cuda" if model is not None and current_device() == "cuda" else "cpu",
            )
        return self._open[model]


def _end(desk: Desk) -> None:
    with suppress(InfrastructureError):  # its status has it
        desk.close()


def use_of(desk: Desk, bound: int | None = None) -> LaboratoryUse:
    """The ledger's entry on an attempt's laboratory.

    Args:
        desk: The attempt's desk.
        bound: The bound of its instance; see `Task.bound`.
    """
    status = desk.status()
    return LaboratoryUse(
        experiments=status.runs,
        spent=status.spent,
        budget=status.total,
        bound=bound,
        unit=status.unit,
        repeated=status.repeated,
        refused=status.refused,
        failed=status.failed,
        unread=status.unread,
    )


def spend_of(desk: Desk) -> Spend:
    """What has been used so far."""
    status = desk.status()
    return Spend(status.runs, status.spent)


LABORATORIES = pytest.StashKey[Laboratories]()


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the processes at the end of the session."""
    if (laboratories := config.stash.get(LABORATORIES, None)) is not None:
        laboratories.close()
