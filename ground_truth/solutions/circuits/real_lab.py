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
#   each side, drawn in proportion, gives the gradient of one difference of logits, which is right on average. Where the
#   metric is linear in the logits, the weights are the same on the whole way, and nothing has to be run to know them.

# %%
import math

import numpy as np
from IPython.display import Markdown, display

total, length = lab.budget.left, prompts.shape[1]
STREAM = [f"{place}.{layer}" for layer in range(n_layers) for place in ("resid_mid", "resid_post")]
AT_ONCE = 4
rng = np.random.default_rng(0)
some_logits = torch.randn(len(prompts), int(options.max()) + 1, generator=torch.Generator().manual_seed(0))
LINEAR = torch.allclose(metric(2 * some_logits, options, weights), 2 * metric(some_logits, options, weights))


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
    """How sites differ between prompts and counterfactuals, and both runs."""
    there, here = (lab.run(tokens[rows], read=sites) for tokens in (counterfactuals, prompts))
    return {site: here[site] - there[site] for site in sites}, there, here


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


def gradients(rows, start, change, steps, logits):
    """At all places of the stream, the metric's gradient for each pair, averaged over inputs on the way.

    Args:
        rows: Which pairs.
        start: Embeddings of the counterfactuals.
        change: From these to the embeddings of the prompts.
        steps: Inputs on the way, evenly between the two ends. Neither end is one: near the prompt much is saturated.
        logits: Of the prompts.
    """
    summed = dict.fromkeys(STREAM, 0)
    # the options that the steps of a pair take are spread over the distribution
    order = np.array([rng.permutation(steps) for _ in range(len(change))])
    for step in range(1, steps + 1):
        patch = [lab.set_to("embed", start + change * step / (steps + 1))]
        here = logits if LINEAR else lab.run(prompts[rows], patch=patch).logits
        share = torch.tensor((order[:, step - 1] + rng.random(len(change))) / steps)
        raised, lowered, size = drawn_options(here, rows, share)
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
# Components are ranked by the mean size of their effect over pairs, not by the size of the mean. The sign of many
# effects changes from pair to pair, above all that of MLPs. The mean of a few pairs is then near zero by chance for
# components that the circuit needs, and without them it falls short.
#
# A circuit is cheap to try: two tokens for each one of a prompt, however many components are replaced. So what the
# ranking is worth is checked on pairs that no gradient was taken on.


# %%
def pair_price(n_components, steps):
    reads = 2 * cost(n_components + 1)
    step = cost(60, patched=True, gradients=True) + (0 if LINEAR else cost(0, patched=True))
    return (reads + steps * step) * length


STEPS, FIRST, KEPT = 2, 0.5, 0.6  # more are kept than the half that circuits of 50 % take
SHARES = (0.1, 0.2, 0.5)  # of components kept, in the circuits that are checked
LEAST_CHECKED, MOST_CHECKED, SMALLEST = 4, 16, 800  # pairs, and the least budget with a check
check_price = (2 + cost(0, patched=True) * (1 + len(SHARES))) * length
CHECK = LEAST_CHECKED * check_price if total >= SMALLEST * length else 0
found = {name: [] for name in components}
used = 0


def measure(n_pairs, names, steps=STEPS):
    """Effects of some components on the next pairs."""
    global used
    for at in range(used, used + n_pairs, AT_ONCE):
        rows = slice(at, min(at + AT_ONCE, used + n_pairs))
        change, there, here = changes(rows, ["embed", *names])
        gradient = gradients(rows, there["embed"], change["embed"], steps, here.logits)
        for name, values in effects_of(change, gradient, names).items():
            found[name] += values.tolist()
    used += n_pairs


def size_of(name):
    """How large its effect on a pair is, in the mean."""
    return float(np.abs(found[name]).mean()) if found[name] else 0.0


def ranked():
    return sorted(components, key=size_of, reverse=True)


affordable = (total - CHECK) // pair_price(len(components), STEPS)
if affordable:
    steps = STEPS
    while affordable == 1 and pair_price(len(components), steps + 1) <= total - CHECK:
        steps += 1
    measure(math.ceil(FIRST * affordable), components, steps)
    kept = ranked()[: int(KEPT * len(components))]
    measure((lab.budget.left - CHECK) // pair_price(len(kept), STEPS), kept)
    print(f"{used} pairs; after the first ones {len(kept)} of {len(components)} components")
else:
    # whole layers first: what MLPs do is exact, what attention does is known as a sum over heads
    rows, steps = slice(0, 1), 1
    change, there, here = changes(rows, ["embed", "resid_mid.0", *STREAM[1:]])
    gradient = gradients(rows, there["embed"], change["embed"], steps, here.logits)
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
            change, *_ = changes(rows, names)
            for name, values in effects_of(change, gradient, names).items():
                found[name] += values.tolist()
        else:
            for name in names:
                found[name].append(guess)
    used = 1
    print("one pair; heads were read in the layers whose attention does most")
print(lab.budget, "; first:", ", ".join(f"{name} {np.mean(found[name]):z.2f}" for name in ranked()[:10]))

# %% [markdown]
# ## What are its circuits worth?
#
# The first components compute, all others give their output on the counterfactual prompt, and f is the share of the
# metric's gap that is there.

# %%
f, ranking = [], ranked()
if CHECK:
    checked = min(MOST_CHECKED, lab.budget.left // check_price)  # with what was too little for another pair
    rows = slice(len(prompts) - checked, None)
    other, whole = lab.run(counterfactuals[rows]), lab.run(prompts[rows])

    def mean_metric(kept):
        """When only these components compute."""
        patch = [lab.interchange(name, other) for name in components if name not in kept]
        return metric(lab.run(prompts[rows], patch=patch).logits, options[rows], weights[rows]).mean().item()

    nothing, everything = mean_metric(()), metric(whole.logits, options[rows], weights[rows]).mean().item()
    for share in SHARES:
        kept = set(ranking[: round(share * len(components))])
        f.append((mean_metric(kept) - nothing) / (everything - nothing))
findings = (
    f"EAP-IG per node, by the mean size of effects on {used} pairs. First, with mean effects: "
    + ", ".join(f"{name} ({np.mean(found[name]):z.2f})" for name in ranking[:8])
    + "."
)
if f:
    findings += f" On {checked} other pairs, f is " + ", ".join(
        f"{value:z.2f} at {share:.0%}" for share, value in zip(SHARES, f, strict=True)
    )
display(Markdown(findings))
print(lab.budget)

# %%
answer = {
    "ranking": ranking,
    "confidence": 0.8 if f and abs(f[-1] - 1) < 0.3 else 0.4,
    "summary": findings,
}
