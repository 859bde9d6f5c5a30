"""Reference solution of circuits/edges in a laboratory: adaptive tests of groups of edges."""

# %% [markdown]
# # Which node reads which?
#
# A run that patches paths costs 2 for each prompt, and shows one label that is sometimes wrong anyway. So an experiment
# patches a group of edges into one input of one node, chosen so that its result tells as much as it can (adaptive group
# testing, Dorfman 1943; with noise, Atia and Saligrama 2012, arXiv 0907.1061). For each input all small sets of writers
# are kept with their probabilities, for several strengths of their effect, and Bayes' rule takes in what is seen.
#
# Donors are bought once, and show how often a label is wrong without any patch.

# %%
from itertools import combinations

import numpy as np

rng = np.random.default_rng(0)
start = lab.budget
DONORS = min(60, start.total // 12)
donors, donor_labels = prompts[:DONORS], labels[:DONORS].tolist()
pool, pool_labels = prompts[DONORS:], labels[DONORS:].tolist()
donor_run = lab.run(donors)


def answers(run):
    """The labels that a run's outputs stand for."""
    return run.outputs if run.returns in ("labels", "samples") else run.outputs.argmax(-1)


WRONG = (sum(int(a) != b for a, b in zip(answers(donor_run), donor_labels, strict=True)) + 1) / (DONORS + 6)
print(f"{DONORS} donors; without patches {WRONG:.2f} of the labels are wrong; {lab.budget}")

# %% [markdown]
# ## What can be
#
# Values and an MLP's input depend on something, or the node would do nothing. Queries and keys may depend on positions
# alone.

# %%
LARGEST, STRENGTHS = 3, np.array([0.3, 0.45, 0.6, 0.75, 0.9])
#: By the kind of input: prior probability that it reads so many writers.
READS = {
    "q": [0.7, 0.27, 0.03, 0],
    "k": [0.6, 0.36, 0.04, 0],
    "v": [0.01, 0.9, 0.09, 0],
    "in": [0.01, 0.25, 0.55, 0.19],
}


class Input:
    """One input of a node, and what is believed of the writers that it reads."""

    def __init__(self, receiver):
        self.receiver = receiver
        self.writers = [edge.partition("->")[0] for edge in edges if edge.endswith(f"->{receiver}")]
        self.sets = [s for size in range(LARGEST + 1) for s in combinations(range(len(self.writers)), size)]
        self.has = np.zeros((len(self.sets), len(self.writers)))
        for i, one in enumerate(self.sets):
            self.has[i, list(one)] = 1
        prior = READS[receiver[-1] if receiver[0] == "a" else "in"]
        count = np.bincount([len(one) for one in self.sets], minlength=LARGEST + 1)
        prior = np.array([prior[len(one)] / count[len(one)] for one in self.sets])
        self.log_odds = np.log(prior + 1e-12)[:, None] + np.zeros(len(STRENGTHS))

    def posterior(self):
        odds = np.exp(self.log_odds - self.log_odds.max())
        return odds / odds.sum()

    def changed(self, group):
        """[set, strength] the probability that a label is not the one without a patch."""
        hit = self.has @ group > 0
        shown = (1 - STRENGTHS) * WRONG + STRENGTHS * (1 - WRONG / 5)
        return np.where(hit[:, None], shown, WRONG)

    def told(self, group):
        """Bits about the set that one prompt is expected to tell."""
        weights, p = self.posterior(), self.changed(group)
        of_set = weights.sum(1)
        given = (weights * p).sum(1) / np.maximum(of_set, 1e-300)
        return entropy((weights * p).sum()) - (of_set * entropy(given)).sum()

    def belief(self):
        """The probability of each writer."""
        return self.posterior().sum(1) @ self.has

    def best_group(self):
        """What tells most, of every writer alone and some groups."""
        count = len(self.writers)
        groups = [*np.eye(count), np.ones(count)]
        groups += [(rng.random(count) < rng.uniform(0.2, 0.8)).astype(float) for _ in range(20)]
        told = [self.told(group) for group in groups]
        return max(told), groups[int(np.argmax(told))]


def entropy(p):
    p = np.clip(p, 1e-9, 1 - 1e-9)
    return -(p * np.log2(p) + (1 - p) * np.log2(1 - p))


def site(receiver):
    """How the laboratory calls an input."""
    if receiver[0] == "m":
        return receiver
    layer, _, head = receiver[1:-2].partition(".h")
    return f"{receiver[-1]}.{layer}.{head}"


inputs = [Input(receiver) for receiver in dict.fromkeys(edge.partition("->")[2] for edge in edges)]

# %% [markdown]
# ## Experiments

# %%
AT_ONCE, ENOUGH = 3, 0.002
asked = 0


def experiment(one, group):
    """Patch a group of edges into one input on some prompts, and learn from what is said."""
    global asked
    rows = [(asked + i) % len(pool) for i in range(AT_ONCE)]
    asked += AT_ONCE
    taken = [int(rng.choice([d for d in range(DONORS) if donor_labels[d] != pool_labels[row]])) for row in rows]
    chosen = [writer for writer, inside in zip(one.writers, group, strict=True) if inside]
    patches = [lab.path(writer, to=site(one.receiver), run=donor_run, prompt=taken) for writer in chosen]
    seen = answers(lab.run(pool[rows], patch=patches)).tolist()
    p = one.changed(group)
    for row, label in zip(rows, seen, strict=True):
        one.log_odds += np.log(p if label != pool_labels[row] else 1 - p)


best = {one.receiver: one.best_group() for one in inputs}
while lab.budget.left >= 2 * AT_ONCE:
    one = max(inputs, key=lambda each: best[each.receiver][0])
    told, group = best[one.receiver]
    if told < ENOUGH:
        break
    experiment(one, group)
    best[one.receiver] = one.best_group()

# %%
belief = {f"{w}->{one.receiver}": float(p) for one in inputs for w, p in zip(one.writers, one.belief(), strict=True)}
found = [edge for edge in edges if belief[edge] > 0.5]
wrong = sum(min(p, 1 - p) for p in belief.values())
print({edge: round(belief[edge], 2) for edge in sorted(belief, key=belief.get, reverse=True) if belief[edge] > 0.05})
print(f"{asked} prompts patched; {start.left - lab.budget.left} of {start.total} spent, {lab.budget} now")
answer = {
    "edges": found,
    "confidence": round(max(0.05, min(0.97, 1 - wrong / 4)), 3),
    "summary": (
        f"Path patches of groups of edges on {asked} prompts, read by Bayes' rule: {len(found)} edges are more "
        f"probable than not, and {wrong:.1f} of all {len(edges)} verdicts are expected to be wrong."
    ),
}
