"""How the results of each family are shown: metric labels, column titles, the name of the per-attempt result file.

A family that is not listed here works as well: its titles are made from its name.
"""

from __future__ import annotations

from dataclasses import dataclass

METRIC_LABELS = {
    "iou": "IoU",
    "precision": "Precision",
    "recall": "Recall",
    "f1": "F1",
    "success": "Success Rate",
    "rve": "RVE",
    "accuracy": "Accuracy",
    "auroc": "AUROC",
    "control_accuracy": "Control",
    "mcc": "MCC",
    "selectivity": "Selectivity",
}


@dataclass(frozen=True)
class FamilyView:
    """Names for one family."""

    title: str
    result_file: str


_VIEWS = {
    "circuits": FamilyView("Circuits Tasks", "circuit_evaluation_results.json"),
    "neurons": FamilyView("Neurons Tasks", "neuron_evaluation_results.json"),
    "saes": FamilyView("SAEs Tasks", "sae_evaluation_results.json"),
    "probes": FamilyView("Probes Tasks", "probe_evaluation_results.json"),
    "steering": FamilyView("Steering Tasks", "steering_evaluation_results.json"),
    "variables": FamilyView("Variables Tasks", "variable_evaluation_results.json"),
}


def family_view(family: str) -> FamilyView:
    """The names for `family`."""
    return _VIEWS.get(family) or FamilyView(f"{family.title()} Tasks", f"{family}_evaluation_results.json")


def metric_label(metric: str) -> str:
    """Column title of a metric."""
    return METRIC_LABELS.get(metric) or metric.replace("_", " ").title()
