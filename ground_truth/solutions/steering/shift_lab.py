"""Reference solution of steering/shift in a laboratory: regression on noisy readings, then labels after additions."""

# %% [markdown]
# # Readings
#
# All pairs, and neutral prompts, whose labels say what else is computed. Labels come with the readings.

# %%
import matplotlib.pyplot as plt
import torch
from sklearn.linear_model import LogisticRegression

site = "resid_post.1@-1"
TESTED, LENGTHS = 24, (0.7, 1.1, 1.6)
TITLES = ("difference of means", "with their own labels", "with neutral labels", "with both")
pairs = torch.cat([prompts_on, prompts_off])
n_neutral = min(len(neutral), lab.budget.left - len(pairs) - 2 * TESTED * len(TITLES) * len(LENGTHS))
run = lab.run(torch.cat([pairs, neutral[:n_neutral]]), read=[site])
here = run[site].reshape(len(pairs) + n_neutral, -1).double()
of_pairs, of_neutral = here[: len(pairs)], here[len(pairs) :]
labels = run.outputs.flatten().long()
gate = torch.cat([torch.ones(len(prompts_on)), torch.zeros(len(prompts_off))]).double()
print(f"{len(pairs)} pairs and {n_neutral} neutral prompts; {lab.budget}")

# %% [markdown]
# # What goes along with the gate
#
# The pairs' labels tell exactly what else decides them: a label and its partner count as one. Neutral labels depend on
# more. A probe for them is read on the pairs; its probabilities go into the regression, since readings have noise.

# %%
probe = LogisticRegression(C=0.05, max_iter=2000).fit(of_neutral.numpy(), labels[len(pairs) :].numpy())
kinds = torch.tensor(probe.predict_proba(of_pairs.numpy()))
print("mean probabilities of neutral labels, second way:", kinds[gate == 1].mean(0).numpy().round(2))
print("and first:", kinds[gate == 0].mean(0).numpy().round(2))
first_way = labels[: len(pairs)].clone()
for off, on in enumerate(partner.tolist()):
    if on >= 0:
        first_way[first_way == on] = off
exact = torch.stack([first_way == one for one in first_way.unique()], 1).double()

candidates = {TITLES[0]: of_pairs[gate == 1].mean(0) - of_pairs[gate == 0].mean(0)}
for title, beside in zip(TITLES[1:], (exact, kinds, torch.cat([exact, kinds], 1)), strict=True):
    design = torch.cat([gate[:, None], beside], 1)
    penalty = 1e-3 * torch.eye(design.shape[1], dtype=torch.float64)
    candidates[title] = torch.linalg.solve(design.T @ design + penalty, design.T @ of_pairs)[0]

# %% [markdown]
# # Tests
#
# Each candidate is added at three lengths, relative to the step from one way to the other as it was estimated.

# %%
tested = torch.cat([prompts_off[:TESTED], neutral[:TESTED]])
wanted = partner[labels[len(prompts_on) : len(prompts_on) + TESTED]]
before = labels[len(pairs) : len(pairs) + TESTED]
tests = {}
for title, vector in candidates.items():
    for length in LENGTHS:
        after = lab.run(tested, patch=[lab.add(site, length * vector.float())]).outputs.flatten().long()
        moved = (after[:TESTED] == wanted).double().mean().item()
        kept = (after[TESTED:] == before).double().mean().item()
        tests[title, length] = moved, kept
        print(f"{title:25s} length {length:.1f}: in the second way {moved:.2f}, neutral prompts as before {kept:.2f}")
for title in candidates:
    curve = [tests[title, length] for length in LENGTHS]
    plt.plot([1 - kept for _, kept in curve], [moved for moved, _ in curve], "o-", label=title)
plt.xlabel("share of neutral prompts with another label")
plt.ylabel("share of prompts in the second way")
plt.legend()
plt.show()
print(lab.budget)

# %%
best = max(tests, key=lambda one: (min(tests[one]), candidates[one[0]] is candidates[TITLES[-1]]))
works = min(tests[best]) > 0.5
answer = {
    "layer": 1,
    "vector": candidates[best[0]].tolist() if works else [],
    "nothing_found": not works,
    "confidence": 0.9 if min(tests[best]) > 0.9 or not works else 0.5,
    "summary": (
        f"Regressions on {len(pairs)} noisy readings of pairs. Best: {best[0]}; of {TESTED} prompts each "
        f"it moved and kept {tests[best]} at {best[1]} times the estimated step."
    ),
}
