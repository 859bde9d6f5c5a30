"""Frozen base models on disk: weights as safetensors, key and certificate as JSON beside them, bound by a hash.

``seed<N>.safetensors`` holds the parameters in half precision (they are certified after rounding), ``seed<N>.json`` a
`FrozenRecord`. Nothing loads unless the hash fits and the certificate passed.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError

from scribe_suite.errors import FrozenModelError
from scribe_suite.paths import find_part, lookup_roots, suite_root
from scribe_suite.tasks.task import PlantedTask

if TYPE_CHECKING:  # torch, which listing models and reading certificates do not need
    from torch import Tensor

    from scribe_suite.planting.hooked import ModelWeights


class Check(BaseModel):
    """One line of a certificate: a measured number and the bar it has to clear.

    Attributes:
        name: What was measured, for example ``iia/u`` or ``rve/planted_min``.
        value: The measured number.
        bar: The threshold.
        direction: ``">="``: value must be at least the bar; ``"<="``: at most.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str
    value: float
    bar: float
    direction: Literal[">=", "<="]

    @property
    def passed(self) -> bool:
        """Whether the value clears the bar."""
        return self.value >= self.bar if self.direction == ">=" else self.value <= self.bar


class Certificate(BaseModel):
    """Why the key is true: every check, recomputable from the weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether there are checks and all of them pass."""
        return bool(self.checks) and all(check.passed for check in self.checks)

    def failures(self) -> list[str]:
        """The checks that failed, readable."""
        return [
            f"{check.name} = {check.value:.4g}, needs {check.direction} {check.bar:g}"
            for check in self.checks
            if not check.passed
        ]

    def value(self, name: str) -> float:
        """The measured number of the check called `name`."""
        return next(check.value for check in self.checks if check.name == name)


class BaseWeights(BaseModel):
    """The frozen model from which another one has most of its weights.

    Attributes:
        name: Its folder and file without ending, ``antonym/seed0``, below the family's folder.
        sha256: SHA-256 of its safetensors file.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    sha256: str


class FrozenRecord(BaseModel):
    """The record of frozen weights.

    Attributes:
        format: Version of this file format.
        task: Id of the task, or of the models that several tasks share.
        task_version: Version of the base models of the task it was made for (`PlantedTask.models_version`).
        seed: Seed of training.
        sha256: SHA-256 of the safetensors file.
        config: Keyword arguments of HookedTransformerConfig.
        key: The truth, in a form private to the task.
        certificate: Why it is true.
        training: Facts about how it was made (steps, CPU seconds, attempts, versions).
        base: The model with all weights that the safetensors file lacks; None where it has all.
        digest: sha256 of all other fields, `training` left out, so that a key or a measured number that was changed by
            hand is noticed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    task: str
    task_version: int
    seed: int
    sha256: str
    config: dict[str, Any]
    key: dict[str, Any]
    certificate: Certificate
    training: dict[str, Any] = {}
    base: BaseWeights | None = None
    digest: str

    def expected_digest(self) -> str:
        """The correct value of `digest`."""
        return _digest(self.model_dump(mode="json"))


@dataclass(frozen=True)
class FrozenModel:
    """A base model that passed: its record and its weights."""

    name: str
    record: FrozenRecord
    weights: ModelWeights


def frozen_folder(task: PlantedTask) -> Path:
    """``ground_truth/frozen/<family>/<name>``, or under the name of the models that several tasks share."""
    return models_folder(task.models_id)


def models_folder(models_id: str) -> Path:
    """``ground_truth/frozen/<family>/<name>``, of base models by their id."""
    return find_part(suite_root(), "ground_truth", "frozen", models_id)


def round_to_half(weights: ModelWeights) -> ModelWeights:
    """The weights as read back from disk: certify these, not the trained ones."""
    from scribe_suite.planting.hooked import ModelWeights

    return ModelWeights(weights.config, {name: value.half().float() for name, value in weights.state.items()})


def save_frozen(
    folder: Path,
    task: PlantedTask,
    seed: int,
    weights: ModelWeights,
    key: Mapping[str, Any],
    certificate: Certificate,
    training: Mapping[str, Any],
    base: FrozenModel | None = None,
) -> Path:
    """Write ``seed<N>.safetensors`` and ``seed<N>.json``.

    Both are completely on disk before either replaces an older file: an interruption while they are written leaves an
    older pair unchanged. Of a model with a `base`, of the same family, only the weights are written that differ.

    Returns:
        The path of the JSON file.

    Raises:
        FrozenModelError: When the certificate did not pass, or the folder is another suite's; nothing is written then.
    """
    _refuse_other_suites(folder)
    if not certificate.passed:
        raise FrozenModelError(
            f"The model of {task.id}, seed {seed}, is not frozen, because its certificate fails: "
            f"{'; '.join(certificate.failures()) or 'it has no checks'}."
        )
    from safetensors.torch import save

    state = weights.state
    if base is not None:
        state = {name: value for name, value in state.items() if not value.equal(base.weights.state[name])}
    payload = save({name: value.half().contiguous() for name, value in sorted(state.items())})
    record = FrozenRecord(
        task=task.models_id,
        task_version=task.models_version,
        seed=seed,
        sha256=hashlib.sha256(payload).hexdigest(),
        config=dict(weights.config),
        key=dict(key),
        certificate=certificate,
        training=dict(training),
        base=None if base is None else BaseWeights(name=_place(base.name), sha256=base.record.sha256),
        digest="",
    )
    record = record.model_copy(update={"digest": record.expected_digest()})
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"seed{seed}.json"
    weights_path = path.with_suffix(".safetensors")
    new_weights, new_record = (folder / f"{final.name}.part" for final in (weights_path, path))
    try:
        new_weights.write_bytes(payload)
        new_record.write_text(_as_text(record))
        new_weights.replace(weights_path)
        new_record.replace(path)
    finally:  # where both were renamed there is nothing left to remove
        new_weights.unlink(missing_ok=True)
        new_record.unlink(missing_ok=True)
    _forget(folder)
    return path


def add_checks(path: Path, task: PlantedTask, checks: Sequence[Check], measured_on: FrozenModel) -> None:
    """Rewrite a record with further checks at the end of its certificate; weights and earlier checks are unchanged.

    This certifies a shared base model for a task that was added after it was frozen.

    Args:
        path: Its JSON file.
        task: The task that it is certified for.
        checks: The measurements for this task.
        measured_on: The model that they were measured on, which may have been planted again meanwhile.

    Raises:
        FrozenModelError: When a check did not pass or exists already, the model has changed meanwhile, it can't be
            trusted, or it is another suite's; nothing is written then.
    """
    _refuse_other_suites(path)
    further = Certificate(checks=tuple(checks))
    if not further.passed:
        raise FrozenModelError(
            f"{path} is not certified for {task.id}, because checks fail: "
            f"{'; '.join(further.failures()) or 'there are none'}. The file stays as it was."
        )
    record = load_frozen(path, task).record
    if record.digest != measured_on.record.digest:
        raise FrozenModelError(f"{path} was changed while its checks were measured: measure them again.")
    known = {check.name for check in record.certificate.checks}
    if again := sorted(known & {check.name for check in checks}):
        raise FrozenModelError(f"{path} has the checks {', '.join(again)} already. The file stays as it was.")
    certificate = Certificate(checks=(*record.certificate.checks, *checks))
    record = record.model_copy(update={"certificate": certificate})
    record = record.model_copy(update={"digest": record.expected_digest()})
    new_record = path.with_name(f"{path.name}.part")
    try:
        new_record.write_text(_as_text(record))
        new_record.replace(path)
    finally:
        new_record.unlink(missing_ok=True)
    _forget(path.parent)


def _refuse_other_suites(path: Path) -> None:
    """Refuse to write into the suite that comes with the package where one of the user's own is in use."""
    _own, *others = lookup_roots(suite_root())
    if any(path.is_relative_to(other / "ground_truth") for other in others):
        raise FrozenModelError(
            f"{path} is part of the suite that comes with scribe-suite and is not changed from another one: give your "
            f"task base models of its own, or plant from {others[0]}."
        )


def _as_text(record: FrozenRecord) -> str:
    return json.dumps(_without_empty_base(record.model_dump(mode="json")), indent=1) + "\n"


def _without_empty_base(record: Mapping[str, Any]) -> dict[str, Any]:
    """Like most records, which are older than the field."""
    return {name: value for name, value in record.items() if name != "base" or value is not None}


def _place(name: str) -> str:
    """A model's name without its family."""
    return name.partition("/")[2]


def _forget(folder: Path) -> None:
    """Make the models of a folder be read again when next needed."""
    for place in [place for place in _LOADED if place[0] == folder]:
        del _LOADED[place]


def list_frozen(folder: Path) -> list[Path]:
    """The JSON files of all base models in `folder`, in the order of their seeds."""
    named = {path: re.fullmatch(r"seed(\d+)\.json", path.name) for path in folder.glob("seed*.json")}
    return sorted((path for path, match in named.items() if match), key=lambda path: int(path.stem[len("seed") :]))


def load_frozen(path: Path, task: PlantedTask) -> FrozenModel:
    """Load one base model after checking that it can be trusted.

    Args:
        path: Its JSON file.
        task: The task it must belong to.

    Raises:
        FrozenModelError: With one sentence that names the file and says what to do, when a file is missing or corrupt,
            the weights do not have the hash the key was made for, the task or the version of its models differ, or the
            certificate does not hold.
    """
    from scribe_suite.planting.hooked import ModelWeights

    weights_path = path.with_suffix(".safetensors")
    seed = path.stem.removeprefix("seed")
    remedy = f"restore it with git, or make it again with `scribe-suite plant {task.id} --seeds {seed} --force`."
    try:
        record = FrozenRecord.model_validate_json(path.read_bytes())
        payload = weights_path.read_bytes()
    except OSError as error:
        raise FrozenModelError(f"{error.filename or path} can't be read ({error.strerror}): {remedy}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise FrozenModelError(f"{path} is not a valid key file ({where}: {first['msg']}): {remedy}") from error
    if (record.task, record.task_version) != (task.models_id, task.models_version):
        raise FrozenModelError(
            f"{path} belongs to {record.task} version {record.task_version}, not {task.models_id} version "
            f"{task.models_version}: {remedy}"
        )
    state = _state(payload, weights_path, remedy)
    digest = hashlib.sha256(payload).hexdigest()
    if digest != record.sha256:
        raise FrozenModelError(
            f"The key {path.name} was made for weights with sha256 {record.sha256[:12]}, but {weights_path} has "
            f"{digest[:12]}: {remedy}"
        )
    if not record.certificate.passed:
        raise FrozenModelError(
            f"The certificate of {path} fails ({'; '.join(record.certificate.failures()) or 'no checks'}): {remedy}"
        )
    if record.digest != record.expected_digest():
        raise FrozenModelError(f"{path} was changed after it was made (its digest does not fit its content): {remedy}")
    if record.base is not None:
        state = {**_state_of_base(record.base, path, remedy), **state}
    return FrozenModel(name=f"{task.models_id}/{path.stem}", record=record, weights=ModelWeights(record.config, state))


def _state_of_base(base: BaseWeights, path: Path, remedy: str) -> dict[str, Tensor]:
    base_path = path.parent.parent / f"{base.name}.safetensors"
    try:
        payload = base_path.read_bytes()
    except OSError as error:
        raise FrozenModelError(
            f"{path} has most of its weights from {base_path}, which can't be read ({error.strerror}): {remedy}"
        ) from error
    if hashlib.sha256(payload).hexdigest() != base.sha256:
        raise FrozenModelError(f"{path} has most of its weights from {base_path}, which are others by now: {remedy}")
    return _state(payload, base_path, remedy)


def _state(payload: bytes, path: Path, remedy: str) -> dict[str, Tensor]:
    from safetensors.torch import load

    try:
        return {name: value.float() for name, value in load(payload).items()}
    except SafetensorError as error:
        raise FrozenModelError(f"{path} is not a readable safetensors file ({error}): {remedy}") from error


def frozen_models(task: PlantedTask) -> Mapping[str, FrozenModel]:
    """Every base model of `task` by its name, in the order of their seeds.

    They are read once per process, and again after `save_frozen` has written into their folder.

    Raises:
        FrozenModelError: When there is none, or one of them can't be trusted.
    """
    folder = frozen_folder(task)
    place = (folder, task.models_id, task.models_version)
    if place not in _LOADED:
        _LOADED[place] = MappingProxyType({model.name: model for model in load_all_frozen(task, folder)})
    return _LOADED[place]


#: What `frozen_models` has read, by folder, id and version of the models.
_LOADED: dict[tuple[Path, str, int], Mapping[str, FrozenModel]] = {}


def _digest(record: Mapping[str, Any]) -> str:
    bound = {name: value for name, value in _without_empty_base(record).items() if name not in ("digest", "training")}
    return hashlib.sha256(json.dumps(bound, sort_keys=True).encode()).hexdigest()


def load_all_frozen(task: PlantedTask, folder: Path | None = None) -> list[FrozenModel]:
    """Every base model of `task`.

    Raises:
        FrozenModelError: When there is none, or one of them can't be trusted.
    """
    folder = folder or frozen_folder(task)
    paths = list_frozen(folder)
    if not paths:
        raise FrozenModelError(
            f"{task.id} has no frozen base model in {folder}: make one with `scribe-suite plant {task.id} --seeds 0`."
        )
    return [load_frozen(path, task) for path in paths]
