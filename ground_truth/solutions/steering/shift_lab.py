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
TESTED = 40
for_tests = 5 * 2 * TESTED
pairs = torch.cat([prompts_on, prompts_off])
n_neutral = min(len(neutral), lab.budget.left - len(pairs) - for_tests)
run = lab.run(torch.cat([pairs, neutral[:n_neutral]]), read=[site])
here = run[site].reshape(len(pairs) + n_neutral, -1).double()
labels = run.outputs.flatten().long()
gate = torch.cat([torch.ones(len(prompts_on)), torch.zeros(len(prompts_off))]).double()
print(f"{len(pairs)} pairs and {n_neutral} neutral prompts; {lab.budget}")

# %% [markdown]
# # What goes along with the gate
#
# Neutral labels are combinations of what is computed besides. A probe for them is read on the pairs; how sure it is
# comes from its probabilities, which go into the regression in place of its answers, since readings have noise.

# %%
probe = LogisticRegression(C=0.05, max_iter=2000).fit(here[len(pairs) :].numpy(), labels[len(pairs) :].numpy())
kinds = torch.tensor(probe.predict_proba(here[: len(pairs)].numpy()))
print("mean probabilities of neutral labels, second way:", kinds[gate == 1].mean(0).numpy().round(2))
print("and first:", kinds[gate == 0].mean(0).numpy().round(2))
base_label = labels.clone()
for off, on in enumerate(partner.tolist()):
    if on >= 0:
        base_label[labels == on] = off
# what labels say of the pairs themselves is exact
exact = torch.stack([base_label[: len(pairs)] == one for one in base_label[: len(pairs)].unique()], 1).double()
neutral_rows = torch.tensor(probe.classes_)[:, None] == labels[len(pairs) :]
means = torch.stack([here[len(pairs) :][row].mean(0) for row in neutral_rows])
span = torch.linalg.svd(means - means.mean(0), full_matrices=False)
plt.plot(span.S, "o")
plt.xlabel("number")
plt.ylabel("singular value of means by neutral label")
plt.show()

# %%
candidates = {"difference of means": here[: len(pairs)][gate == 1].mean(0) - here[: len(pairs)][gate == 0].mean(0)}
for title, beside in (("with their labels", exact), ("with neutral labels", kinds), ("with both", torch.cat([exact, kinds], 1))):
    design = torch.cat([gate[:, None], beside], 1)
    penalty = 1e-3 * torch.eye(design.shape[1], dtype=torch.float64)
    candidates[title] = torch.linalg.solve(design.T @ design + penalty, design.T @ here[: len(pairs)])[0]
length = here[: len(pairs)].norm(dim=1).mean()
for title, vector in candidates.items():
    print(f"{title:25s} length {vector.norm() / length:.2f} of that of activations")

# %% [markdown]
# # Tests
#
# Each candidate is added as it was estimated, which is the step from one way to the other, and a little more.

# %%
effects = {}
wanted = partner[labels[len(prompts_on) : len(pairs)]]
for title, vector in candidates.items():
    tested = torch.cat([prompts_off[:TESTED], neutral[:TESTED]])
    if lab.price(tested, patch=[lab.add(site, vector.float())]) > lab.budget.left:
        break
    run = lab.run(tested, patch=[lab.add(site, 1.1 * vector.float())])
    after = run.outputs.flatten().long()
    moved = (after[:TESTED] == wanted[:TESTED]).double().mean().item()
    kept = (after[TESTED:] == labels[len(pairs) : len(pairs) + TESTED]).double().mean().item()
    effects[title] = moved, kept
    print(f"{title:25s} answers in the second way {moved:.2f}, neutral prompts as before {kept:.2f}")
print(lab.budget)

# %%
best = max(effects, key=lambda title: min(effects[title]))
works = effects[best][0] > 0.25
answer = {
    "layer": 1,
    "vector": candidates[best].tolist() if works else [],
    "nothing_found": not works,
    "confidence": 0.8 if min(effects[best]) > 0.9 or not works else 0.5,
    "summary": f"Regressions on {len(pairs)} noisy readings of pairs; moved and kept after adding each: {effects}.",
}
