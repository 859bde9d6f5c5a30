"""Measured truths on disk: arrays as safetensors and a record with the certificate as JSON, bound together by hashes.

A result is in ``ground_truth/measured/<id>/<model>.{json,safetensors}`` when it is shipped with the suite, or at the
same place below ``<cache>/measured``, which is searched first. During a measurement, every finished step has its own
file in ``<cache>/measured/<id>/<model>.steps/``.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError

from scribe_suite.errors import ConfigurationError, FrozenModelError
from scribe_suite.measurements import REAL_MODEL
from scribe_suite.models import cache as model_cache
from scribe_suite.models.spec import find
from scribe_suite.paths import find_part, suite_root
from scribe_suite.planting.frozen import Certificate
from scribe_suite.tasks.facts import MeasuredTruth

if TYPE_CHECKING:  # numpy only where arrays are read
    from numpy.typing import NDArray

    from scribe_suite.measurements.measurement import Arrays, Measurement

#: Prefix of the name of an array of strings: safetensors holds numbers, so strings are stored as UTF-32 code points.
_TEXT = "text:"


class Named(Protocol):
    """A `Measurement`, or the facts about one."""

    @property
    def id(self) -> str:
        """``family/name``."""


class MeasuredRecord(BaseModel):
    """The record of a result, next to its arrays.

    Attributes:
        format: Version of this file format.
        measurement: Id of the measurement.
        version: Version of the measurement.
        model: Specification of the model.
        model_sha256: The model's `CachedModel.identity`.
        inputs_sha256: SHA-256 of the data it was made from.
        sha256: SHA-256 of the safetensors file.
        certificate: Why it can be trusted.
        made: How it was made: CPU seconds of every step, versions, device.
        digest: SHA-256 of all other fields except `made`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    measurement: str
    version: int
    model: str
    model_sha256: str
    inputs_sha256: str
    sha256: str
    certificate: Certificate
    made: dict[str, Any]
    digest: str = ""

    def expected_digest(self) -> str:
        """The correct value of `digest`."""
        bound = self.model_dump(mode="json", exclude={"digest", "made"})
        return hashlib.sha256(json.dumps(bound, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Measured:
    """A result that can be trusted.

    Attributes:
        record: Its record.
        arrays: The arrays that `Measurement.kept` returned.
    """

    record: MeasuredRecord
    arrays: Mapping[str, NDArray[Any]]


def remedy(measurement: Named, spec: str) -> str:
    """The command that makes a result."""
    return f"`scribe-suite measure {measurement.id}" + ("" if spec == REAL_MODEL else f" --model {spec}") + "`"


def shipped_folder(measurement: Named) -> Path:
    """The folder of results that come with the suite."""
    return find_part(suite_root(), "ground_truth", "measured", measurement.id)


def own_folder(measurement: Named) -> Path:
    """The folder for results that will be part of the suite in use."""
    return suite_root() / "ground_truth" / "measured" / measurement.id


def cached_folder(measurement: Named) -> Path:
    """The folder of results of this machine."""
    return model_cache.cache_folder().with_name("measured") / measurement.id


def steps_folder(measurement: Named, spec: str) -> Path:
    """The folder of the finished steps of an unfinished measurement."""
    return cached_folder(measurement) / f"{model_cache.entry_name(spec)}.steps"


def truth_of(measurement: Measurement) -> MeasuredTruth:
    """The identity of a measurement's results."""
    return MeasuredTruth(id=measurement.id, version=measurement.version, inputs_sha256=measurement.inputs_sha256())


def find_measured(measurement: Measurement, spec: str) -> Measured | str:
    """Find the result for a model, or one sentence that says which command makes it."""
    found = _find(truth_of(measurement), spec)
    return found if isinstance(found, str) else Measured(found.record, unpacked(found.payload))


def find_record(truth: MeasuredTruth, spec: str) -> MeasuredRecord | str:
    """Find the record of a trusted result, or one sentence that says which command makes it; reads no array."""
    found = _find(truth, spec)
    return found if isinstance(found, str) else found.record


@dataclass(frozen=True)
class _Stored:
    record: MeasuredRecord
    payload: bytes


def _find(truth: MeasuredTruth, spec: str) -> _Stored | str:
    model = find(spec)
    if isinstance(model, str):
        return model
    complaint = f"{truth.id} is not measured on {spec}"
    for folder in (cached_folder(truth), shipped_folder(truth)):
        path = folder / f"{model_cache.entry_name(spec)}.json"
        if not path.exists():
            continue
        try:
            found = _read(path)
        except FrozenModelError as error:
            complaint = str(error)
            continue
        stale = _stale(found.record, truth, model.identity)
        if stale is None:
            return found
        complaint = f"{path} is for {stale}"
    return f"{complaint}: run {remedy(truth, spec)}."


def _stale(record: MeasuredRecord, truth: MeasuredTruth, model_sha256: str) -> str | None:
    if (record.measurement, record.version) != (truth.id, truth.version):
        return f"version {record.version} of {record.measurement}"
    if record.model_sha256 != model_sha256:
        return "other weights"
    if record.inputs_sha256 != truth.inputs_sha256:
        return "other texts or lists than those of this version"
    if not record.certificate.passed:
        return f"a certificate that fails ({'; '.join(record.certificate.failures()) or 'no checks'})"
    return None


def _read(path: Path) -> _Stored:
    arrays_path = path.with_suffix(".safetensors")
    try:
        record = MeasuredRecord.model_validate_json(path.read_bytes())
        payload = arrays_path.read_bytes()
    except (OSError, ValidationError) as error:
        raise FrozenModelError(f"{path} can't be read ({str(error).splitlines()[0]})") from error
    if hashlib.sha256(payload).hexdigest() != record.sha256:
        raise FrozenModelError(f"{arrays_path} is not what {path.name} was written for")
    if record.digest != record.expected_digest():
        raise FrozenModelError(f"{path} was changed after it was made")
    return _Stored(record, payload)


def write(folder: Path, record: MeasuredRecord, payload: bytes) -> Path:
    """Write a result; it is completely on disk before it replaces an older one.

    Returns:
        The path of the JSON file.

    Raises:
        ConfigurationError: When the folder can't be written.
    """
    bound = record.model_copy(update={"digest": record.expected_digest()})
    path = folder / f"{model_cache.entry_name(record.model)}.json"
    parts = (path.with_name(path.name + ".part"), path.with_name(path.stem + ".safetensors.part"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        parts[0].write_text(json.dumps(bound.model_dump(mode="json"), indent=1) + "\n")
        parts[1].write_bytes(payload)
        parts[1].replace(path.with_suffix(".safetensors"))
        parts[0].replace(path)
    except OSError as error:
        raise ConfigurationError(f"{folder} can't be written ({error.strerror}): make it writable.") from error
    finally:
        with suppress(OSError):  # it has been told
            for part in parts:
                part.unlink(missing_ok=True)
    return path


def write_step(folder: Path, name: str, arrays: Arrays) -> None:
    """Store the arrays of a finished step."""
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{name}.part"
    part.write_bytes(packed(arrays))
    part.replace(folder / f"{name}.safetensors")


def read_step(folder: Path, name: str) -> Arrays | None:
    """Read the arrays of a finished step, or None."""
    try:
        return unpacked((folder / f"{name}.safetensors").read_bytes())
    except (OSError, SafetensorError, ValueError):
        return None


def forget_steps(folder: Path) -> None:
    """Remove the stored steps of an unfinished measurement."""
    shutil.rmtree(folder, ignore_errors=True)


def packed(arrays: Arrays) -> bytes:
    """Arrays as safetensors; the same arrays give the same bytes."""
    import numpy as np
    from safetensors.numpy import save

    numbers = {}
    for name, value in sorted(arrays.items()):
        array = np.asarray(value, order="C")  # ascontiguousarray would make a list of a number
        if array.dtype.kind == "U":
            width = max(array.dtype.itemsize // 4, 1)
            numbers[_TEXT + name] = array.astype(f"<U{width}").view(np.uint32).reshape(*array.shape, width)
        else:
            numbers[name] = array
    payload: bytes = save(numbers)
    return payload


def unpacked(payload: bytes) -> dict[str, NDArray[Any]]:
    """The inverse of `packed`."""
    import numpy as np
    from safetensors.numpy import load

    arrays: dict[str, NDArray[Any]] = {}
    for name, value in load(payload).items():
        if name.startswith(_TEXT):
            codes = np.ascontiguousarray(value, dtype=np.uint32)
            arrays[name.removeprefix(_TEXT)] = codes.view(f"<U{codes.shape[-1]}")[..., 0]
        else:
            arrays[name] = value
    return arrays
