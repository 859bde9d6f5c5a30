"""Reference solution of saes/influential in a laboratory: six experiments in one run, told apart in the output."""

# %% [markdown]
# # What is active when?
#
# Read some prompts. Latents that are active in the same prompts may act together, so find these sets, and what decides
# when they are active.

# %%
import itertools

import matplotlib.pyplot as plt
import torch

site = "resid_post.0@-1"
n_read = 96  # each token twice at each position
tokens = prompts[:n_read]
run = lab.run(tokens, read=[site])
latents, clean = encode(run[site]), run.logits
on = latents > 0
n_latents = on.shape[1]
sets = {}
for latent in range(n_latents):
    if on[:, latent].any():
        sets.setdefault(tuple(on[:, latent].tolist()), []).append(latent)
members = list(sets.values())
opened = torch.tensor(list(sets)).T
print(f"{on.sum(1).float().mean():.1f} of {n_latents} latents active; {len(members)} sets of prompts; {lab.budget}")

# the position whose token decides: no token occurs there both in prompts of the set and in others
deciding = []
for number in range(len(members)):
    overlap = [
        len(set(tokens[opened[:, number], p].tolist()) & set(tokens[~opened[:, number], p].tolist()))
        for p in range(tokens.shape[1])
    ]
    deciding.append(min(range(len(overlap)), key=overlap.__getitem__))
places = sorted(set(deciding))
print("sets by the position that decides:", {place: deciding.count(place) for place in places})

# %% [markdown]
# A token at each of these positions opens one set. So in a prompt one set per position is open, and effects might be
# told apart by position, if each has dimensions of the output of its own. Zero all latents of one position.


# %%
def zeroed(rows, some):
    """Outputs of prompts with some latents zeroed: a list of latents for each."""
    change = torch.stack([-latents[row, list(one)] @ W_dec[list(one)] for row, one in zip(rows, some, strict=True)])
    return lab.run(tokens[rows], patch=[lab.add(site, change)]).logits


spaces = {}
for place in places:
    here = [number for number in range(len(members)) if deciding[number] == place]
    rows = [int(torch.where(opened[:, number])[0][0]) for number in here]
    change = zeroed(rows, [members[number] for number in here]) - clean[rows]
    _, sizes, right = torch.linalg.svd(change, full_matrices=False)
    print(place, "singular values", [round(float(size), 2) for size in sizes])
    spaces[place] = right[:2].T
joined = torch.cat([spaces[place] for place in places], 1)
print("largest overlap of two positions' dimensions:", (joined.T @ joined - torch.eye(joined.shape[1])).abs().max())
print(lab.budget)

plt.figure(figsize=(4, 3.5))
plt.imshow((joined.T @ joined).abs(), vmin=0, vmax=1)
plt.title("Dimensions of positions, two each")
plt.colorbar()
plt.show()

# %% [markdown]
# Each position has two dimensions of its own. So one run tests something for every position. For each latent: zero it
# alone, and zero all others of its set.

# %%
n_rows = lab.budget.left // 2
waiting = {number: [] for number in range(len(members))}
for number, group in enumerate(members):
    waiting[number] = [(kind, latent) for kind in ("alone", "last") for latent in group]
done, log = dict.fromkeys(waiting, 0), []
plans = []
for _ in range(n_rows):
    # the prompt whose open sets have been tested least, relative to what there is to test
    need = torch.tensor(
        [
            1.0 / (1 + 8 * (done[number] // len(waiting[number])) + done[number] / len(waiting[number]))
            for number in waiting
        ]
    )
    used = torch.tensor([sum(plan[0] == row for plan in plans) for row in range(n_read)])
    row = int(((opened.float() @ need) - 1e-3 * used).argmax())
    tests = {}
    for number in torch.where(opened[row])[0].tolist():
        tests[number] = waiting[number][done[number] % len(waiting[number])]
        done[number] += 1
    plans.append((row, tests))
some = [
    [
        latent
        for number, (kind, one) in tests.items()
        for latent in ([one] if kind == "alone" else [other for other in members[number] if other != one])
    ]
    for _, tests in plans
]
rows = [row for row, _ in plans]
after = torch.cat([zeroed(rows[i : i + 64], some[i : i + 64]) for i in range(0, len(rows), 64)])
print(f"{sum(done.values())} tests, each at least {min(done[k] // len(waiting[k]) for k in done)} times; {lab.budget}")

# what is zeroed alone changes; what is last is what remains
answers = {}
for (row, tests), output in zip(plans, after, strict=True):
    for number, (kind, latent) in tests.items():
        value = output - clean[row] if kind == "alone" else output
        answers.setdefault((kind, latent), []).append(value @ spaces[deciding[number]])

# %% [markdown]
# Within two dimensions, responses lie along two axes at a right angle: a group of latents acts along one of them.

# %%
axes = {}
for place in places:
    vectors = torch.cat(
        [
            torch.stack(found)
            for (_, latent), found in answers.items()
            if any(latent in members[number] and deciding[number] == place for number in range(len(members)))
        ]
    )
    angle = torch.atan2(vectors[:, 1], vectors[:, 0])
    weight = vectors.square().sum(1) ** 2
    turn = torch.atan2((weight * (4 * angle).sin()).sum(), (weight * (4 * angle).cos()).sum()) / 4
    axes[place] = torch.stack([torch.stack([turn.cos(), turn.sin()]), torch.stack([-turn.sin(), turn.cos()])], 1)

parts, shown = [], []
for number, group in enumerate(members):
    place = deciding[number]
    basis = spaces[place] @ axes[place]
    share = float(opened[:, number].float().mean())
    whole = (clean[opened[:, number]] @ basis).square().mean(0)  # if all is zeroed, what is there goes
    for axis in range(2):
        effect = {
            kind: {
                latent: float((torch.stack(answers[kind, latent]) @ axes[place])[:, axis].square().mean())
                for latent in group
                if (kind, latent) in answers
            }
            for kind in ("alone", "last")
        }
        strength = {one: max(effect["alone"].get(one, 0.0), effect["last"].get(one, 0.0)) for one in group}
        # what the autoencoder leaves when others are zeroed is small, but not nothing
        acting = [one for one in group if strength[one] > max(0.005, 0.1 * max(strength.values()))]
        if not acting:
            continue
        found = {}
        for latent in acting:
            found[(latent,)] = share * effect["alone"].get(latent, 0.0)
            shown.append((effect["alone"].get(latent, 0.0), effect["last"].get(latent, 0.0)))
        if len(acting) > 1:
            found[tuple(acting)] = share * float(whole[axis])
        parts.append(found)
print(f"{len(shown)} latents act, in {len(parts)} groups")

alone, last = zip(*shown, strict=True)
plt.figure(figsize=(4, 3.5))
plt.scatter(alone, last, s=10)
plt.xlabel("what zeroing it changes")
plt.ylabel("what it does as the last one left")
plt.show()

# %%
reached = {0: (0.0, ())}  # latents used -> the best effect, and the latents
for found in parts:
    added = dict(reached)
    for (used, (effect, some)), (part, more) in itertools.product(reached.items(), found.items()):
        total = used + len(part)
        if total <= n_chosen and effect + more > added.get(total, (-1.0, ()))[0]:
            added[total] = (effect + more, some + part)
    reached = added
expected, best = max(reached.values())
complete = min(done[number] // len(waiting[number]) for number in done) >= 1
print(f"expected effect {expected:.3f}")

answer = {
    "latents": sorted(best),
    "confidence": 0.9 if complete else 0.3,
    "summary": (
        f"Latents fall into {len(members)} sets that are active together, one per deciding token; positions act on "
        f"dimensions of their own, so each run tested six sets. {len(shown)} latents act, in {len(parts)} groups; the "
        f"chosen set is expected to change the output by {expected:.3f}."
    ),
}
