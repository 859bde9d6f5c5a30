"""Converted models on disk: one folder each, with a record next to it that says what it is and what was measured.

``<cache>/<name>/`` holds ``config.json``, ``model.safetensors`` and the tokenizer: everything that a kernel can see.
``<cache>/<name>.record.json`` says where it comes from; it may contain paths of this machine and is never shown. A
folder appears complete or not at all, and only one process converts a model at a time.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, ValidationError

from scribe_suite.errors import ConfigurationError
from scribe_suite.paths import CACHE_VARIABLE, user_cache

#: Packages of which another version may read or write the folder differently.
MAKERS = ("transformer-lens", "transformers")
_RECORD = ".record.json"


class ModelRecord(BaseModel):
    """The record of a converted model.

    Attributes:
        format: Version of this record and of the folder.
        spec: The specification it was converted from.
        origin: What identifies the source: versions, checksums, sizes and times of files.
        versions: Those of `MAKERS` when it was converted.
        sha256: SHA-256 of each file in the folder, by name.
        sizes: The sizes of the same files in bytes.
        log_p_difference: Largest |Δ log p| between the folder's model and the original, in nats.
        nll: Mean negative log-likelihood per token of the original on the texts of the check, in nats; None for a model
            without texts.
        parameters: The number of parameters.
        seconds: CPU seconds of the conversion.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    format: Literal[1] = 1
    spec: str
    origin: dict[str, str]
    versions: dict[str, str]
    sha256: dict[str, str]
    sizes: dict[str, int]
    log_p_difference: float
    nll: float | None
    parameters: int
    seconds: float


@dataclass(frozen=True)
class CachedModel:
    """A converted model.

    Attributes:
        folder: All its files.
        record: Its record.
    """

    folder: Path
    record: ModelRecord

    @property
    def identity(self) -> str:
        """What a measurement is bound to: the checksum of the converted original if known, else of the weights.

        A conversion made on another machine may differ in the last bits; the file it was made from does not.
        """
        return self.record.origin.get("sha256") or self.record.sha256["model.safetensors"]

    def damaged(self) -> str | None:
        """A file whose checksum differs from the record, or None; reads all files."""
        for name, digest in self.record.sha256.items():
            path = self.folder / name
            if not path.is_file() or sha256_of(path) != digest:
                return name
        return None

    def incomplete(self) -> str | None:
        """A file that is missing or has another size, or None; reads no file."""
        for name, size in self.record.sizes.items():
            path = self.folder / name
            if not path.is_file() or path.stat().st_size != size:
                return name
        return None


def cache_folder() -> Path:
    """The folder of converted models: ``models`` in `user_cache`."""
    return user_cache() / "models"


def makers() -> dict[str, str]:
    """The installed versions of `MAKERS`."""
    return {name: version(name) for name in MAKERS}


def sha256_of(path: Path) -> str:
    """Checksum of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def entry_name(spec: str) -> str:
    """The folder name of a specification: readable and unique."""
    readable = re.sub(r"[^A-Za-z0-9.-]+", "-", spec).strip("-.")[-40:]
    return f"{readable}-{hashlib.sha256(spec.encode()).hexdigest()[:8]}"


def read(spec: str) -> CachedModel | None:
    """Read the converted model of a specification; None when there is none that this version can read."""
    return _read(cache_folder() / f"{entry_name(spec)}{_RECORD}")


def read_all() -> list[CachedModel]:
    """Read all converted models, by specification."""
    found = [_read(path) for path in cache_folder().glob(f"*{_RECORD}")]
    return sorted((model for model in found if model is not None), key=lambda model: model.record.spec)


def _read(path: Path) -> CachedModel | None:
    try:
        record = ModelRecord.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
    return CachedModel(path.with_name(path.name.removesuffix(_RECORD)), record)


@contextmanager
def locked(spec: str) -> Iterator[None]:
    """Hold the lock for converting a model.

    Raises:
        ConfigurationError: When another process holds it, or the cache can't be written.
    """
    folder = cache_folder()
    lock = FileLock(folder / f"{entry_name(spec)}.lock", timeout=0)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise ConfigurationError(f"{spec} is being converted by another process: wait until that is done.") from None
    except OSError as error:
        raise unwritable(error) from error
    try:
        yield
    finally:
        lock.release()


def unwritable(error: Exception) -> ConfigurationError:
    """The error for a cache that can't be written, with advice."""
    return ConfigurationError(
        f"{cache_folder()} can't be written ({error}): make it writable, make room on its disk, or set "
        f"{CACHE_VARIABLE} to another folder."
    )


def new_folder(spec: str) -> Path:
    """An empty folder to convert into; removes the remains of an interrupted conversion. Needs the lock."""
    folder = cache_folder() / f"{entry_name(spec)}.part"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def publish(unfinished: Path, record: ModelRecord) -> CachedModel:
    """Move a finished folder to its place, and write its record; needs the lock.

    An older folder of the same model is replaced; kernels that have mapped it keep its pages.
    """
    folder = cache_folder() / entry_name(record.spec)
    record_path = folder.with_name(folder.name + _RECORD)
    record_path.unlink(missing_ok=True)  # first: a folder without a record is none, whatever happens in between
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.chmod(0o755)
    for path in unfinished.iterdir():
        path.chmod(0o644)  # kernels may have a user id of their own
    unfinished.rename(folder)
    part = record_path.with_name(record_path.name + ".part")
    part.write_text(record.model_dump_json(indent=1) + "\n")
    part.replace(record_path)
    return CachedModel(folder, record)


def describe_files(folder: Path) -> tuple[Mapping[str, str], Mapping[str, int]]:
    """Checksums and sizes of all files of a folder, by name."""
    paths = sorted(path for path in folder.iterdir() if path.is_file())
    return {path.name: sha256_of(path) for path in paths}, {path.name: path.stat().st_size for path in paths}
