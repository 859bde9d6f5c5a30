"""Reference solution of steering/shift in a laboratory: what goes along with the gate is found on neutral prompts."""

# %% [markdown]
# # Readings
#
# All pairs, and neutral prompts. Labels come with the readings.

# %%
import matplotlib.pyplot as plt
import torch

site = "resid_post.1@-1"
TESTED, LENGTHS = 12, (0.75, 1.1)
TITLES = ("difference of means", "at equal labels", "and without the neutral direction")
pairs = torch.cat([prompts_on, prompts_off])
# a prompt with an addition costs two
for_tests = 2 * 2 * TESTED * len(TITLES) * len(LENGTHS)
n_neutral = min(len(neutral), lab.budget.left - len(pairs) - for_tests)
run = lab.run(torch.cat([pairs, neutral[:n_neutral]]), read=[site])
here = run[site].reshape(len(pairs) + n_neutral, -1).double()
of_pairs, of_neutral = here[: len(pairs)], here[len(pairs) :]
labels = run.outputs.flatten().long()
second = torch.isin(labels, partner[partner >= 0])
way = 2 * second.double() - 1
print(f"{len(pairs)} pairs and {n_neutral} neutral prompts; {lab.budget}")
print("share of neutral prompts in the second way:", second[len(pairs) :].double().mean().item())

# %% [markdown]
# # Two directions
#
# A label and its partner count as one kind; at equal kinds, what differs between the ways is the gate on pairs, and on
# neutral prompts whatever decides there. If the pairs are confounded with the latter, a reader for it sees that: one
# that is fitted on neutral prompts, and whitened, so that it does not see what varies there independently.

# %%
kind = labels.clone()
for off, on in enumerate(partner.tolist()):
    if on >= 0:
        kind[labels == on] = off
kinds = torch.stack([kind == one for one in kind.unique()], 1).double()


def fitted(ways, kinds, values):
    """What goes with the way at equal kinds, and what is left."""
    design = torch.cat([ways[:, None], kinds], 1)
    solution = torch.linalg.lstsq(design, values, driver="gelsd").solution
    return solution[0], values - design @ solution


gate, _ = fitted(way[: len(pairs)], kinds[: len(pairs)], of_pairs)
other, left = fitted(way[len(pairs) :], kinds[len(pairs) :], of_neutral)
spread = left.T @ left / len(left)
reader = torch.linalg.solve(spread + 0.03 * spread.diagonal().mean() * torch.eye(len(spread)).double(), other)
reader = reader / (other @ reader)
share = fitted(way[: len(pairs)], kinds[: len(pairs)], (of_pairs @ reader)[:, None])[0].item()
print(f"pairs differ by {share:.2f} of what decides on neutral prompts")
means = of_pairs[: len(prompts_on)].mean(0) - of_pairs[len(prompts_on) :].mean(0)
candidates = dict(zip(TITLES, (means, 2 * gate, 2 * (gate - share * other)), strict=True))

# %% [markdown]
# # Tests
#
# Each candidate is added at two lengths, relative to the step from one way to the other as it was estimated.

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
        print(f"{title:35s} length {length:.2f}: in the second way {moved:.2f}, neutral prompts as before {kept:.2f}")
for title in candidates:
    curve = [tests[title, length] for length in LENGTHS]
    plt.plot([1 - kept for _, kept in curve], [moved for moved, _ in curve], "o-", label=title)
plt.xlabel("share of neutral prompts with another label")
plt.ylabel("share of prompts in the second way")
plt.legend()
plt.show()
print(lab.budget)

# %%
# of equally good candidates the last, which leaves most out
best = max(tests, key=lambda one: (min(tests[one]), TITLES.index(one[0])))
works = min(tests[best]) > 0.5
answer = {
    "layer": 1,
    "vector": candidates[best[0]].tolist() if works else [],
    "nothing_found": not works,
    "confidence": 0.9 if min(tests[best]) > 0.9 or not works else 0.5,
    "summary": (
        f"Regressions on noisy readings of {len(pairs)} pairs and {n_neutral} neutral prompts. Best: {best[0]}; of "
        f"{TESTED} prompts each it moved and kept {tests[best]} at {best[1]} times the estimated step."
    ),
}
