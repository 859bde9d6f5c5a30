"""First job of the benchmark: checks the inputs, draws the seed, and makes the matrices of the jobs that follow.

Environment:
    PROVIDERS: Comma list of ``NAME`` or ``NAME:MODEL``.
    SHARDS, TRIALS: Whole numbers from 1 on.
    MAX_COST_USD: Cost limit of one attempt, or empty.
    HAS_CLAUDE_KEY, HAS_CODEX_KEY, HAS_GEMINI_KEY: ``true`` where the repository has the CLI's secret. The keys
        themselves never come here.

Outputs:
    seed: For ``--instance-seed``: one for all jobs, so that providers meet the same instances; fresh for every run.
    trials, max_cost_usd: As checked.
    ledger: Name of the merged ledger's artifact, which tells runs of different providers apart.
    parts: Names of all parts, a JSON list; what the last job waits for.
    left_out: Sentences about providers without a key, a JSON list.
    built_in, claude, codex, gemini: JSON lists of parts, one for each job with a matrix.
"""

from __future__ import annotations

import json
import math
import re
import secrets
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from workflow import StepError, annotate, fail, variable, write_outputs

SECRETS = {"claude": "ANTHROPIC_API_KEY", "codex": "OPENAI_API_KEY", "gemini": "GEMINI_API_KEY"}
"""Providers that need a key, and the repository secret that has it."""

BUILT_IN = "built_in"
MOST_JOBS = 256
"""GitHub's limit for one matrix."""

_PROVIDER = re.compile(r"[a-z][a-z0-9_]*(:[A-Za-z0-9][A-Za-z0-9._/@-]*)?")
_SEEDS = 2**53
"""Seeds are below this: JSON numbers stay exact wherever they are read."""


@dataclass(frozen=True)
class Part:
    """What one job does; the fields are the matrix's.

    Attributes:
        part: A name that files and artifacts can have.
        family: Folder in ``benchmarks/``.
        provider: For ``--provider``.
        shard: For ``--shard``: K/N.
        cli: The agent CLI that it needs, or nothing.
    """

    part: str
    family: str
    provider: str
    shard: str
    cli: str


def providers(text: str) -> list[str]:
    """The names in a comma list, each once.

    Raises:
        StepError: When there is none, or one is no name.
    """
    names = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not names:
        raise StepError("There is no provider: give a comma list, such as reference,oracle.")
    for name in names:
        if not _PROVIDER.fullmatch(name):
            raise StepError(f"{name!r} is no provider: give NAME or NAME:MODEL, such as claude or claude:opus.")
    return names


def count(name: str) -> int:
    """The environment variable as a whole number from 1 on.

    Raises:
        StepError: When it is none.
    """
    text = variable(name)
    if not (text.isascii() and text.isdigit() and len(text) <= 6 and int(text) >= 1):
        raise StepError(f"{name.lower()} is {text!r}: give a whole number from 1 on.")
    return int(text)


def cost_limit(text: str) -> str:
    """An amount above 0, or nothing, as given.

    Raises:
        StepError: When it is neither.
    """
    try:
        amount = float(text or 1)
    except ValueError:
        amount = math.nan
    if not (math.isfinite(amount) and amount > 0):
        raise StepError(f"max_cost_usd is {text!r}: give an amount above 0, or leave it empty.")
    return text


def families(root: Path) -> list[str]:
    """The families of the checkout: folders of ``benchmarks/`` with tests."""
    return sorted({path.parent.name for path in (root / "benchmarks").glob("*/test_*.py")})


def cli_of(provider: str) -> str:
    """The agent CLI behind a provider, or nothing for one that needs no key."""
    name = provider.partition(":")[0]
    return name if name in SECRETS else ""


def parts(family_names: Sequence[str], names: Sequence[str], shards: int) -> list[Part]:
    """Family x provider x shard.

    Raises:
        StepError: When two providers would get one name.
    """
    slugs = [re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-") for name in names]
    if len(set(slugs)) < len(slugs):
        raise StepError(f"Some of the providers {', '.join(names)} have one name as files: run them one by one.")
    return [
        Part(f"{family}-{slug}-{shard}of{shards}", family, name, f"{shard}/{shards}", cli_of(name))
        for family in family_names
        for name, slug in zip(names, slugs, strict=True)
        for shard in range(1, shards + 1)
    ]


def with_key(names: Sequence[str], keys: Mapping[str, bool]) -> tuple[list[str], list[str]]:
    """Those that can run here, and a sentence about each of the others.

    Args:
        names: Providers.
        keys: CLI -> whether its secret is there.
    """
    kept, left_out = [], []
    for name in names:
        cli = cli_of(name)
        if not cli or keys[cli]:
            kept.append(name)
        else:
            left_out.append(f"{name} is left out: the repository has no secret {SECRETS[cli]}.")
    return kept, left_out


def main() -> None:
    """Read the environment, write the outputs."""
    asked = providers(variable("PROVIDERS"))
    shards, trials = count("SHARDS"), count("TRIALS")
    max_cost_usd = cost_limit(variable("MAX_COST_USD"))
    keys = {cli: variable(f"HAS_{cli.upper()}_KEY") == "true" for cli in SECRETS}
    names, left_out = with_key(asked, keys)
    for sentence in left_out:
        annotate("warning", sentence)
    if not names:
        raise StepError("None of the providers can run: add the secrets, or ask for reference or another built-in one.")
    family_names = families(Path.cwd())
    if not family_names:
        raise StepError("There is no benchmarks/<family>/test_*.py in the checkout.")
    planned = parts(family_names, names, shards)
    matrices: dict[str, list[dict[str, str]]] = {job: [] for job in (BUILT_IN, *SECRETS)}
    for part in planned:
        matrices[part.cli or BUILT_IN].append(asdict(part))
    if too_many := [job for job, matrix in matrices.items() if len(matrix) > MOST_JOBS]:
        raise StepError(f"More than {MOST_JOBS} jobs for {', '.join(too_many)}: ask for fewer shards or providers.")
    write_outputs(
        {
            "seed": str(secrets.randbelow(_SEEDS)),
            "trials": str(trials),
            "max_cost_usd": max_cost_usd,
            "ledger": "ledger-" + re.sub(r"[^A-Za-z0-9]+", "-", "-".join(sorted(names))),
            "parts": json.dumps([part.part for part in planned]),
            "left_out": json.dumps(left_out),
            **{job: json.dumps(matrix) for job, matrix in matrices.items()},
        }
    )
    sys.stdout.write(f"{len(planned)} parts: {', '.join(family_names)} x {', '.join(names)} x {shards} shards\n")


if __name__ == "__main__":
    try:
        main()
    except StepError as error:
        fail(error)
