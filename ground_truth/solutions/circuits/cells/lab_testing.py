"""Shared cells: what a laboratory is asked, as tests of groups of nodes; needs `pool`, `donors` and their labels."""

# %% [markdown]
# ## Tests of groups
#
# An experiment resamples a group of components in one prompt, from another prompt, and shows whether the answer is
# still right. One prompt says little, but groups can be chosen so that each experiment says as much as it can: adaptive
# group testing (Dorfman 1943; with noise, Atia and Saligrama 2012, arXiv 0907.1061). All circuits that can be are kept
# with their probabilities. The next group is the one whose result tells most about them, and Bayes' rule takes in the
# result.
#
# Donors are bought once, an eighth of the budget; each prompt that is patched costs 2. Their own answers say how often
# the laboratory is wrong without any patch.

# %%
import numpy as np

rng = np.random.default_rng(0)
nodes = [site for site in lab.sites() if site.startswith(("a", "m"))]
number = {node: i for i, node in enumerate(nodes)}
start = lab.budget
positions = "all" if pool_labels.ndim > 1 else "last"
donors = donors[: max(6, min(100, start.left // 8))]
donor_run = lab.run(donors, outputs=positions)
n_donors, asked_already = len(donors), 0
history = []  # (group, row, donor, what was seen)


def answers(run):
    """The labels that a run's outputs stand for."""
    return run.outputs if run.returns in ("labels", "samples") else run.outputs.argmax(-1)


def share_wrong(given, right):
    """For each prompt, the share of its answers that are wrong; most tasks have one answer to a prompt."""
    return (given.reshape(len(given), -1) != right.reshape(len(given), -1)).float().mean(1)


wrong_anyway = share_wrong(answers(donor_run), donor_labels[:n_donors])
MANY = wrong_anyway.mean().item() + 0.25 if pool_labels.ndim > 1 else 0.5
WRONG = ((wrong_anyway > MANY).sum().item() + 0.5) / (n_donors + 1)
print(f"{n_donors} donors; without patches {WRONG:.2f} of the prompts count as wrong")


def donor_for(row):
    """A donor with another answer, where there is one: what it brings along is told from what was there."""
    others = (donor_labels[:n_donors] != pool_labels[row]).reshape(n_donors, -1).any(1).nonzero()[:, 0].tolist()
    return int(rng.choice(others or range(n_donors)))


def resampled_group(group, n):
    """n prompts with a group resampled, and which ones they are; None where the budget is too small."""
    global asked_already
    rows = [(asked_already + i) % len(pool) for i in range(n)]
    taken = [donor_for(row) for row in rows]
    patches = [lab.interchange(node, donor_run, prompt=taken) for node in group]
    if 2 * n > lab.budget.left:
        return None
    asked_already += n
    return rows, taken, lab.run(pool[rows], patch=patches, outputs=positions)
