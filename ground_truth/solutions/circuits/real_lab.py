"""Reference solution of the circuit tasks on a real model in a laboratory: EAP-IG per node, paid for by the token."""

# %% [markdown]
# # Which components does the behaviour need?
#
# What a component does to the metric is, to first order, the change of its output from the counterfactual to the prompt
# times the metric's gradient, here averaged over inputs between the two (EAP-IG per node; Hanna et al. 2024, arXiv
# 2403.17806). Two things are cheaper than they look:
#
# - All heads of a block write into the same sum, so they share the gradient at `resid_mid`, and an MLP has that at
#   `resid_post`: 60 places give the gradients of all components.
# - A metric of many options is a weighted sum of logits to first order. The weights sum to zero, so one option from
#   each side, drawn in proportion, gives the gradient of one difference of logits, which is right on average.

# %%
import math

import numpy as np
from IPython.display import Markdown, display

total, length = lab.budget.left, prompts.shape[1]
STREAM = [f"{place}.{layer}" for layer in range(n_layers) for place in ("resid_mid", "resid_post")]
AT_ONCE = 4
rng = np.random.default_rng(0)


def behind(name):
    """Where the gradient of what a component writes is."""
    layer, _, head = name[1:].partition(".h")
    return f"resid_mid.{layer}" if head else f"resid_post.{layer}"


def cost(sites, *, patched=False, gradients=False):
    """Price of a run, per token."""
    return 1 + patched + 2 * gradients + max(0, math.ceil((sites - 4) / 4))


print(f"{total} tokens, {length} for each prompt: {total / length:.0f} prompts at the lowest price")

# %% [markdown]
# ## Changes of outputs, and gradients on the way


# %%
def changes(rows, sites):
    """How sites differ between prompts and counterfactuals."""
    there, here = (lab.run(tokens[rows], read=sites) for tokens in (counterfactuals, prompts))
    return {site: here[site] - there[site] for site in sites}, there


def drawn_options(logits, rows, share):
    """For each prompt an option to raise, one to lower, and how much the metric changes with their difference.

    Args:
        logits: At the last position.
        rows: Which prompts.
        share: Between 0 and 1, one for each prompt: which options of the distributions are taken.
    """
    logits = logits.clone().requires_grad_()
    (slope,) = torch.autograd.grad(metric(logits, options[rows], weights[rows]).sum(), logits)
    raised, lowered = slope.clamp(min=0).double(), (-slope).clamp(min=0).double()
    chosen = []
    for side in (raised, lowered):
        up_to = side.cumsum(-1)
        chosen.append(torch.searchsorted(up_to, share[:, None] * up_to[:, -1:])[:, 0].clamp(max=side.shape[1] - 1))
    return *chosen, raised.sum(-1)


def gradients(rows, start, change, steps):
    """At all places of the stream, the metric's gradient for each pair, averaged over inputs on the way.

    Args:
        rows: Which pairs.
        start: Embeddings of the counterfactuals.
        change: From these to the embeddings of the prompts.
        steps: Inputs on the way, the last of them the prompt.
    """
    summed = dict.fromkeys(STREAM, 0)
    # the options that the steps of a pair take are spread over the distribution
    order = np.array([rng.permutation(steps) for _ in range(len(change))])
    for step in range(1, steps + 1):
        patch = [lab.set_to("embed", start + change * step / steps)] if step < steps else []
        logits = lab.run(prompts[rows], patch=patch).logits
        share = torch.tensor((order[:, step - 1] + rng.random(len(change))) / steps)
        raised, lowered, size = drawn_options(logits, rows, share)
        run = lab.run(prompts[rows], patch=patch, grad_of=lab.logit(raised, minus=lowered), grad_at=STREAM)
        for site in STREAM:
            summed[site] = summed[site] + run.grad[site] * (size / steps)[:, None, None].float()
    return summed


def effects_of(change, gradient, names):
    """Per component and pair, what its change adds to the metric."""
    return {name: (change[name] * gradient[behind(name)]).sum((1, 2)).numpy() for name in names}


# %% [markdown]
# ## How the budget is spent
#
# The first part goes into all components. Those that are clearly small then are dropped, and the rest is spent on more
# pairs for the others. Where the budget is below what one pair costs, the sums of whole layers say where to look.
#
# A circuit is cheap to try: two tokens for each one of a prompt, however many components are replaced. So where the
# budget is large enough, up to a third of it goes into trying circuits on pairs that no gradient was taken on.


# %%
def pair_price(n_components, steps):
    reads = 2 * cost(n_components + 1)
    way = (steps - 1) * (cost(60, patched=True, gradients=True) + cost(0, patched=True))
    return (reads + way + cost(60, gradients=True) + cost(0)) * length


STEPS, FIRST, KEPT = 5, 0.5, 0.6
SHARES = (0.1, 0.2, 0.5)  # of components kept; beyond 50 % f comes to 1 by itself, below 10 % there is little area
TRIES, LEAST_COUNTS = 4, 1 / 8  # circuits of each size; what effects against the behaviour count at least
MOST_TRIED, SMALLEST = 16, 800
trial_price = (2 + cost(0, patched=True) * (1 + len(SHARES) * TRIES)) * length
TRIED = min(MOST_TRIED, total // 3 // trial_price) if total >= SMALLEST * length else 0
TRIALS = TRIED * trial_price
found = {name: [] for name in components}
used = 0


def measure(n_pairs, names, steps=STEPS):
    """Effects of some components on the next pairs."""
    global used
    for at in range(used, used + n_pairs, AT_ONCE):
        rows = slice(at, min(at + AT_ONCE, used + n_pairs))
        change, there = changes(rows, ["embed", *names])
        gradient = gradients(rows, there["embed"], change["embed"], steps)
        for name, values in effects_of(change, gradient, names).items():
            found[name] += values.tolist()
    used += n_pairs


def size_of(name):
    return abs(float(np.mean(found[name]))) if found[name] else 0.0


def ranked(for_negative=1.0):
    """Components by the size of their effect; what works against the behaviour counts less, or as much."""
    return sorted(
        components,
        key=lambda name: size_of(name) * (for_negative if found[name] and np.mean(found[name]) < 0 else 1),
        reverse=True,
    )


affordable = (total - TRIALS) // pair_price(len(components), STEPS)
if affordable:
    steps = STEPS
    while affordable == 1 and pair_price(len(components), steps + 1) <= total - TRIALS:
        steps += 1
    measure(max(1, int(FIRST * affordable)), components, steps)
    kept = ranked()[: int(KEPT * len(components))]
    measure((lab.budget.left - TRIALS) // pair_price(len(kept), STEPS), kept)
    print(f"{used} pairs; after the first ones {len(kept)} of {len(components)} components")
else:
    # whole layers first: what MLPs do is exact, what attention does is known as a sum over heads
    rows, steps = slice(0, 1), 1
    change, there = changes(rows, ["embed", "resid_mid.0", *STREAM[1:]])
    gradient = gradients(rows, there["embed"], change["embed"], steps)
    before = change["embed"]
    attention = []
    for layer in range(n_layers):
        middle, after = change[f"resid_mid.{layer}"], change[f"resid_post.{layer}"]
        found[f"m{layer}"].append(float(((after - middle) * gradient[f"resid_post.{layer}"]).sum()))
        attention.append(float(((middle - before) * gradient[f"resid_mid.{layer}"]).sum()))
        before = after
    for layer in sorted(range(n_layers), key=lambda layer: -abs(attention[layer])):
        names = [f"a{layer}.h{head}" for head in range(n_heads)]
        guess = attention[layer] / n_heads
        if 2 * cost(n_heads) * length <= lab.budget.left:
            change, _ = changes(rows, names)
            for name, values in effects_of(change, gradient, names).items():
                found[name] += values.tolist()
        else:
            for name in names:
                found[name].append(guess)
    used = 1
    print("one pair; heads were read in the layers whose attention does most")
print(lab.budget, "; first:", ", ".join(f"{name} {np.mean(found[name]):z.2f}" for name in ranked()[:10]))

# %% [markdown]
# ## Which components come next?
#
# The first components compute, all others give their output on the counterfactual prompt, and f is the share of the
# metric's gap that is there. A circuit needs what works against the behaviour as well, or it shoots over; but how much
# of that comes how early is a matter of degree, on which gradients of a few pairs say little. What counts is the area
# between f and 1. So the ranking is made in stages, and how much such effects count in each is found by halving: more
# where f is above 1, less where it is below.

# %%
f, taken, ranking = [], [], ranked()
if TRIED:
    TRIED = min(MOST_TRIED, lab.budget.left // trial_price)  # with what was too little for another pair
    rows = slice(len(prompts) - TRIED, None)
    other, whole = lab.run(counterfactuals[rows]), lab.run(prompts[rows])

    def mean_metric(kept):
        """When only these components compute."""
        patch = [lab.interchange(name, other) for name in components if name not in kept]
        return metric(lab.run(prompts[rows], patch=patch).logits, options[rows], weights[rows]).mean().item()

    def filled(first, for_negative, size):
        """So many components: first these, then others in an order."""
        return [*first, *(name for name in ranked(for_negative) if name not in first)][:size]

    nothing, everything = mean_metric(()), metric(whole.logits, options[rows], weights[rows]).mean().item()
    ranking = []
    for share in SHARES:
        low, high, tried = LEAST_COUNTS, 1 / LEAST_COUNTS, []
        for _ in range(TRIES):
            counts = math.sqrt(low * high)
            kept = filled(ranking, counts, round(share * len(components)))
            value = (mean_metric(set(kept)) - nothing) / (everything - nothing)
            print(f"{share:.0%}: f {value:z.2f} where effects against the behaviour count {counts:.2f}")
            tried.append((abs(value - 1), value, counts, kept))
            low, high = (counts, high) if value > 1 else (low, counts)
        _, value, counts, ranking = min(tried)
        f.append(value)
        taken.append(counts)
    ranking = filled(ranking, 1.0, len(components))
findings = (
    f"EAP-IG per node on {used} pairs, by size. First: "
    + ", ".join(f"{name} ({np.mean(found[name]):z.2f})" for name in ranking[:8])
    + "."
)
if f:
    findings += f" Filled up on {TRIED} other pairs, where f is " + ", ".join(
        f"{value:z.2f} at {share:.0%} (effects against the behaviour count {counts:.2f})"
        for share, value, counts in zip(SHARES, f, taken, strict=True)
    )
display(Markdown(findings))
print(lab.budget)

# %%
answer = {
    "ranking": ranking,
    "confidence": 0.8 if f and abs(f[-1] - 1) < 0.3 else 0.4,
    "summary": findings,
}
