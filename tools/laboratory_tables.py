"""Tables of the page on the laboratory; see `tools.reference_tables`."""

from __future__ import annotations

from scribe_suite.laboratory import frames, limits, requests, runs, serving, sites
from scribe_suite.laboratory.terms import MEANINGS, OPERATIONS, Terms
from scribe_suite.tasks.registry import default_registry
from tools.documented_tables import markdown_table


def laboratory_sites() -> str:
    """Every kind of site."""
    widths = {"1": "1 (no axis of its own)", "key": "a number for each position"}
    return markdown_table(
        ("site", "what it is", "width"),
        ((f"`{form.form}`", form.meaning, widths.get(form.width, f"`{form.width}`")) for form in sites.FORMS.values()),
    )


def laboratory_operations() -> str:
    """The operations that terms may allow."""
    return markdown_table(("operation", "what runs may do"), ((f"`{name}`", what) for name, what in MEANINGS.items()))


def laboratory_limits() -> str:
    """The limits of one run."""
    rows = {
        "prompts of a run": f"{limits.MAX_PROMPTS:,}",
        "tokens of a run, padding included": f"{limits.MAX_TOKENS:,}",
        "sites that a run reads, and those of its gradients": f"{requests.MAX_SITES:,} each",
        "patches of a run": f"{requests.MAX_PATCHES:,}",
        "runs that a run is computed from, itself included": str(limits.MAX_RUNS),
        "tensors of a request, and of all runs that one is computed from": f"{frames.MAX_TENSORS_IN >> 20} MiB",
        "what a run returns": f"{frames.MAX_TENSORS_OUT >> 20} MiB",
        "anything else in a message": f"{frames.MAX_HEADER >> 20} MiB",
        "tokens, vectors and patches of all runs of an attempt": f"{runs.MAX_KEPT >> 20} MiB",
        "time in which a run gets no further": f"{limits.STALL_S:g} s, then the process is ended, and the price given "
        "back",
        "time to send or to take one message": f"{serving.FRAME_S:g} s",
    }
    return markdown_table(("what", "at most"), rows.items())


def laboratory_levels() -> str:
    """What each level with a laboratory grants, and the arms of each task."""
    registry = default_registry()
    tasks = [registry[facts.id] for facts in registry.questions()]
    levels = sorted({level for task in tasks for level in task.laboratory})
    return markdown_table(
        ("task", "arms", *(f"level {level}" for level in levels)),
        (
            (
                f"`{task.id}`",
                ", ".join(task.accesses),
                *(
                    _granted(task.laboratory[level], task.source) if level in task.laboratory else ""
                    for level in levels
                ),
            )
            for task in tasks
        ),
    )


def _granted(terms: Terms | None, source: str) -> str:
    """Terms in brief; anything not named is unrestricted."""
    if terms is None:
        return ""
    parts = [f"{terms.budget:,} {'prompts' if source == 'planted' else 'tokens'}"]
    if terms.returns != "logits":
        parts.append(f"samples at {terms.temperature:g}" if terms.returns == "samples" else terms.returns)
    if terms.positions == "last":
        parts.append("last position")
    if terms.operations != OPERATIONS:
        parts.append(" and ".join(sorted(terms.operations)))
    if terms.sites_per_run is not None:
        parts.append(f"{terms.sites_per_run} site{'s' if terms.sites_per_run != 1 else ''} a run")
    if terms.read_noise:
        parts.append(f"noise {100 * terms.read_noise:g} %")
    return "; ".join(parts)
