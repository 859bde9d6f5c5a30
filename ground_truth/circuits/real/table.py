"""The measurements as a Markdown table: ``python -m ground_truth.circuits.real.table`` writes it for the docs.

The numbers are the frozen results; docs/truth/real-circuits.md contains the same tables, and a test compares them.
"""

from __future__ import annotations

import json
import sys

import numpy as np
from numpy.typing import NDArray

from ground_truth.circuits.real.measurement import BLIND
from ground_truth.circuits.real.task import MeasuredCircuitTask
from scribe_suite.measurements import REAL_MODEL
from scribe_suite.measurements.store import shipped_folder, unpacked
from scribe_suite.models.cache import entry_name
from scribe_suite.scoring.circuit_curve import SHARES, Curve
from scribe_suite.tasks.registry import default_registry

_SHOWN = (0.02, 0.05, 0.1, 0.2, 0.5)
_NAMES = {
    "eap_ig by size": "EAP-IG, by size (the reference)",
    "eap_ig by sign": "EAP-IG, by sign",
    "attribution by size": "attribution patching, by size",
    "attribution by sign": "attribution patching, by sign",
    "single_ablation by size": "ablation one by one, by size",
}


def table(task: MeasuredCircuitTask) -> str:
    """Rankings of one task by falling closeness: CMD and f, means over draws with their range."""
    record = shipped_folder(task.measurement) / f"{entry_name(REAL_MODEL)}.json"
    arrays = unpacked(record.with_suffix(".safetensors").read_bytes())
    made = json.loads(record.read_text())["made"]
    rows = sorted(_row(str(title), arrays["curves"][:, at]) for at, title in enumerate(arrays["titles"]))
    accuracy, minutes = float(arrays["accuracy"][0]), sum(made["cpu_s"].values()) / 60
    head = [
        f"**{task.name}** (accuracy on fresh hidden prompts {accuracy:.2f}; measured in {minutes:.1f} CPU minutes)",
        "",
        "| ranking | CMD, mean (range) | " + " | ".join(f"f at {share:.0%}" for share in _SHOWN) + " |",
        "|---|--:|" + "--:|" * len(_SHOWN),
    ]
    return "\n".join([*head, *(line for _, line in rows)])


def _row(title: str, draws: NDArray[np.float32]) -> tuple[float, str]:
    curves = [Curve(one.astype(np.float64)) for one in draws]
    cmd = [curve.cmd for curve in curves]
    f = np.mean([curve.faithfulness for curve in curves], axis=0)
    shown = " | ".join(f"{f[SHARES.index(share)]:z.2f}" for share in _SHOWN)
    name = _NAMES.get(title, title.replace(BLIND, "blind: "))
    mean = float(np.mean(cmd))
    return mean, f"| {name} | {mean:.3f} ({min(cmd):.3f} to {max(cmd):.3f}) | {shown} |"


def main() -> None:
    """Print all tables."""
    tasks = (task for task in default_registry().values() if isinstance(task, MeasuredCircuitTask))
    sys.stdout.write("\n\n".join(map(table, tasks)) + "\n")


if __name__ == "__main__":
    main()
