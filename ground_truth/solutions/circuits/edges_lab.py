"""Reference solution of circuits/edges in a laboratory: adaptive tests of groups of writers."""

# %% [markdown]
# # Which node reads which?
#
# Whole nodes can be exchanged here, single paths can't. But a path is a matter of two runs. In the first, some writers
# are what they are on a donor, and all other nodes are held at what they are on the prompt itself: so every input reads
# the difference that these writers make for it directly. In the second, one input of one node is taken from the first
# run. One first run serves all inputs.
#
# Which writers, and which input? Whatever is expected to tell most for its price (adaptive group testing, Dorfman 1943;
# with noise, Atia and Saligrama 2012, arXiv 0907.1061). For each input all small sets of writers are kept with their
# probabilities, for several strengths of their effect, and Bayes' rule takes in what is seen.

# %%
from itertools import combinations

import numpy as np

rng = np.random.default_rng(0)
start = lab.budget
AT_ONCE = 3  # prompts of one experiment
PLAIN = min(60, start.total // 12)
plain, plain_labels = prompts[:PLAIN], labels[:PLAIN].tolist()
plain_run = lab.run(plain)


def answers(run):
    """The labels that a run's outputs stand for."""
    return run.outputs if run.returns in ("labels", "samples") else run.outputs.argmax(-1)


WRONG = (sum(int(a) != b for a, b in zip(answers(plain_run), plain_labels, strict=True)) + 1) / (PLAIN + 6)
print(f"{PLAIN} prompts; without patches {WRONG:.2f} of the labels are wrong; {lab.budget}")

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
#: Everything that writes, in one order for all inputs.
WRITERS = list(dict.fromkeys(edge.partition("->")[0] for edge in edges))


def entropy(p):
    p = np.clip(p, 1e-9, 1 - 1e-9)
    return -(p * np.log2(p) + (1 - p) * np.log2(1 - p))


class Input:
    """One input of a node, and what is believed of the writers that it reads."""

    def __init__(self, receiver):
        self.receiver = receiver
        self.writers = [edge.partition("->")[0] for edge in edges if edge.endswith(f"->{receiver}")]
        self.at = [WRITERS.index(writer) for writer in self.writers]
        self.sets = [s for size in range(LARGEST + 1) for s in combinations(range(len(self.writers)), size)]
        self.has = np.zeros((len(self.sets), len(self.writers)))
        for i, one in enumerate(self.sets):
            self.has[i, list(one)] = 1
        prior = READS[receiver[-1] if receiver[0] == "a" else "in"]
        count = np.bincount([len(one) for one in self.sets], minlength=LARGEST + 1)
        prior = np.array([prior[len(one)] / count[len(one)] for one in self.sets])
        self.log_odds = np.log(prior + 1e-12)[:, None] + np.zeros(len(STRENGTHS))
        self.done = set()  # numbers of the first runs that have been used here

    def posterior(self):
        odds = np.exp(self.log_odds - self.log_odds.max())
        return odds / odds.sum()

    def changed(self, groups):
        """[group, set, strength] the probability that a label is not the one without a patch."""
        hit = groups[:, self.at] @ self.has.T > 0
        shown = (1 - STRENGTHS) * WRONG + STRENGTHS * (1 - WRONG / 5)
        return np.where(hit[..., None], shown, WRONG)

    def told(self, groups):
        """Bits about the set that one prompt is expected to tell, for each group."""
        weights, p = self.posterior(), self.changed(groups)
        joint = weights * p
        of_set = weights.sum(1)
        given = joint.sum(2) / np.maximum(of_set, 1e-300)
        return entropy(joint.sum((1, 2))) - (of_set * entropy(given)).sum(1)

    def belief(self):
        """The probability of each writer."""
        return self.posterior().sum(1) @ self.has


def site(receiver):
    """What the laboratory calls an input. Neurons stand for what an MLP reads."""
    if receiver[0] == "m":
        return f"neurons.{receiver[1:]}"
    layer, _, head = receiver[1:-2].partition(".h")
    return f"{receiver[-1]}.{layer}.{head}"


inputs = [Input(receiver) for receiver in dict.fromkeys(edge.partition("->")[2] for edge in edges)]

# %% [markdown]
# ## Experiments

# %%
PRICE_FIRST = PRICE = 2  # for each prompt
ENOUGH, PROPOSED = 0.001, 24
groups, runs, bases = np.zeros((0, len(WRITERS))), [], []


def first_run(group):
    """Hold all nodes but those of a group; these are as on donors. Bases and donors have different labels."""
    global groups
    rows = [int(row) for row in rng.choice(PLAIN, AT_ONCE, replace=False)]
    taken = [int(rng.choice([d for d in range(PLAIN) if plain_labels[d] != plain_labels[row]])) for row in rows]
    patches = []
    for writer in ["embed", *nodes]:
        inside = writer in WRITERS and group[WRITERS.index(writer)] > 0
        if inside or writer != "embed":
            patches.append(lab.interchange(writer, plain_run, prompt=taken if inside else rows))
    runs.append(lab.run(plain[rows], patch=patches))
    bases.append(rows)
    groups = np.vstack([groups, group])


def experiment(one, number):
    """Take one input from a first run, and learn from what is said."""
    rows = bases[number]
    seen = answers(lab.run(plain[rows], patch=[lab.interchange(site(one.receiver), runs[number])])).tolist()
    p = one.changed(groups[number : number + 1])[0]
    for row, label in zip(rows, seen, strict=True):
        one.log_odds += np.log(p if label != plain_labels[row] else 1 - p)
    one.done.add(number)


def proposed():
    """Groups that might be worth a first run: random ones, and some by what is believed."""
    beliefs = np.zeros((len(inputs), len(WRITERS)))
    for i, one in enumerate(inputs):
        beliefs[i, one.at] = one.belief()
    unsure = entropy(beliefs).sum(0)
    found = [rng.random(len(WRITERS)) < rng.uniform(0.1, 0.6) for _ in range(PROPOSED)]
    found += [rng.random(len(WRITERS)) < unsure / unsure.max() * rng.uniform(0.3, 1) for _ in range(PROPOSED)]
    found += list(np.eye(len(WRITERS), dtype=bool))
    return np.array(found, dtype=float)


def told_of(one):
    """What each first run would still tell of an input."""
    told = one.told(groups) if len(groups) else np.zeros(0)
    told[list(one.done)] = 0
    return told


known = [told_of(one) for one in inputs]
RENEWED = 8  # experiments after which other groups are thought of
asked, some, each = 0, None, []
while lab.budget.left >= AT_ONCE * (PRICE_FIRST + PRICE):
    if some is None or asked % (AT_ONCE * RENEWED) == 0:
        some = proposed()
        each = [one.told(some) for one in inputs]
    at_hand = max((told.max() if len(told) else 0.0) for told in known) / PRICE
    used = np.arange(1, len(inputs) + 1)[:, None]
    worth = np.sort(each, axis=0)[::-1].cumsum(0) / (PRICE_FIRST + PRICE * used)  # best input first
    if max(at_hand, worth.max()) * PRICE < ENOUGH:
        break
    if worth.max() > at_hand:
        first_run(some[int(worth.max(0).argmax())])
        known = [told_of(one) for one in inputs]
        some = None
    i = max(range(len(inputs)), key=lambda i: known[i].max())
    experiment(inputs[i], int(known[i].argmax()))
    known[i], each[i] = told_of(inputs[i]), inputs[i].told(some) if some is not None else each[i]
    asked += AT_ONCE

# %%
belief = {f"{w}->{one.receiver}": float(p) for one in inputs for w, p in zip(one.writers, one.belief(), strict=True)}
found = [edge for edge in edges if belief[edge] > 0.5]
wrong = sum(min(p, 1 - p) for p in belief.values())
print({edge: round(belief[edge], 2) for edge in sorted(belief, key=belief.get, reverse=True) if belief[edge] > 0.05})
print(f"{len(runs)} first runs, {asked} prompts in second ones; {lab.budget}")
answer = {
    "edges": found,
    "confidence": round(max(0.05, min(0.97, 1 - wrong / 4)), 3),
    "summary": (
        f"{len(runs)} runs in which groups of writers were exchanged and all else was held, and {asked} prompts in "
        f"which one input was taken from one of them, read by Bayes' rule: {len(found)} edges are more probable than "
        f"not, and {wrong:.1f} of all {len(edges)} verdicts are expected to be wrong."
    ),
}
