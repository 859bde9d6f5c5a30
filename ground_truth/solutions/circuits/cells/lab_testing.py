"""Shared cells: what a laboratory is asked, as tests of groups of nodes; needs `pool`, `pool_labels`, `donors`."""

# %% [markdown]
# ## Tests of groups
#
# An experiment resamples a group of components in one prompt, from another prompt, and shows whether the answer is
# still right. One prompt says little, but groups can be chosen so that each experiment says as much as it can: adaptive
# group testing (Dorfman 1943; with noise, Atia and Saligrama 2012, arXiv 0907.1061). All circuits that can be are kept
# with their probabilities. The next group is the one whose result tells most about them, and Bayes' rule takes in the
# result.
#
# Donors are bought once, a tenth of the budget; each prompt that is patched costs 2.

# %%

import numpy as np

rng = np.random.default_rng(0)
nodes = [site for site in lab.sites() if site.startswith(("a", "m"))]
number = {node: i for i, node in enumerate(nodes)}
start = lab.budget
donor_run = lab.run(donors[: max(6, min(64, start.left // 10))])
n_donors, asked_already = len(donor_run.outputs), 0
history = []  # (group, row, donor, what was seen)


def answers(run):
    """The labels that a run's outputs stand for."""
    return run.outputs if run.returns in ("labels", "samples") else run.outputs.argmax(-1)


def resampled_group(group, n):
    """n prompts with a group resampled, and which ones they are; None where the budget is too small."""
    global asked_already
    rows = [(asked_already + i) % len(pool) for i in range(n)]
    taken = rng.integers(n_donors, size=n).tolist()
    patches = [lab.interchange(node, donor_run, prompt=taken) for node in group]
    if 2 * n > lab.budget.left:
        return None
    asked_already += n
    outputs = "all" if pool_labels.ndim > 1 else "last"
    return rows, taken, lab.run(pool[rows], patch=patches, outputs=outputs)
