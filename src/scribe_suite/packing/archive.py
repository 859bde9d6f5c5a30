"""Makes a pack: an archive that Python can run, with a hash of every file in it."""

from __future__ import annotations

import hashlib
import json
import platform
import re
import secrets
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from scribe_suite.errors import ConfigurationError
from scribe_suite.packing import installing
from scribe_suite.packing.installing import MANIFEST, MODELS, PROGRAMS, WHEELS

_OWN = re.compile(r"scribe_suite-[^-]+-.*\.whl")
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Contents:
    """The content of a pack.

    Attributes:
        wheels: Folder with a wheel of this package and of everything it needs.
        requirement: The requirement to install from them.
        models: Folder of converted models, such as the user's cache; None for none.
        programs: Name -> executable, such as ``claude``.
    """

    wheels: Path
    requirement: str = "scribe-suite[sweep]"
    models: Path | None = None
    programs: Mapping[str, Path] = field(default_factory=dict)


def make_pack(contents: Contents, output: Path) -> str:
    """Write the archive atomically; returns its sha256.

    Raises:
        ConfigurationError: When part of the content is missing, or the archive can't be written.
    """
    files = dict(_files(contents))
    if contents.requirement.startswith("scribe-suite") and not any(map(_OWN.fullmatch, _names(contents.wheels))):
        raise ConfigurationError(
            f"{contents.wheels} has no wheel of scribe-suite: make it with `pip wheel -c constraints.txt -w "
            f"{contents.wheels} '.[sweep]'` in a checkout."
        )
    manifest = {
        "format": 1,
        "python": ".".join(platform.python_version_tuple()[:2]),
        "machine": platform.machine(),
        "requirement": contents.requirement,
        "files": {},
    }
    temporary = output.with_name(f".{output.name}.{secrets.token_hex(6)}.tmp")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as zipped:
            zipped.write(installing.__file__, "__main__.py")
            manifest["files"] = {name: _packed(zipped, path, name) for name, path in files.items()}
            zipped.writestr(MANIFEST, json.dumps(manifest, indent=1))
        temporary.replace(output)
        with output.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ConfigurationError(f"{output} can't be written ({error}).") from error
    finally:
        temporary.unlink(missing_ok=True)


def _files(contents: Contents) -> Iterator[tuple[str, Path]]:
    """Name in the archive -> file."""
    for wheel in sorted(contents.wheels.glob("*.whl")):
        yield f"{WHEELS}/{wheel.name}", wheel
    if contents.models is not None:
        if not contents.models.is_dir():
            raise ConfigurationError(f"There is no folder of models {contents.models}.")
        for path in sorted(contents.models.rglob("*")):
            if path.is_file() and not path.name.endswith((".lock", ".tmp")):
                yield f"{MODELS}/{path.relative_to(contents.models).as_posix()}", path
    for name, program in contents.programs.items():
        if not program.is_file():
            raise ConfigurationError(f"There is no program {program}: name one file, such as an executable.")
        yield f"{PROGRAMS}/{name}", program


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.glob("*.whl")]


def _packed(zipped: zipfile.ZipFile, path: Path, name: str) -> str:
    """Write a file to the archive; returns the sha256 of the written bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as source, zipped.open(name, "w", force_zip64=True) as target:
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
            target.write(chunk)
    return digest.hexdigest()
