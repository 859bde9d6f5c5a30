"""Reference solution of saes/dictionary: greedy codes and least squares in turn, and what different starts agree on."""

# %% [markdown]
# # Look at the samples
#
# Are some directions more than others, and how much of a sample is noise?

# %%
import matplotlib.pyplot as plt

torch.set_grad_enabled(False)
n_samples, width = samples.shape
spectrum = torch.linalg.eigvalsh(torch.cov(samples.T)).flip(0)
floor = noise**2 * width
print(f"{n_samples} samples of {width} numbers, variance {spectrum.sum():.2f}, of which noise is {floor:.2f}")
print(f"eigenvalues {spectrum[0]:.3f} to {spectrum[-1]:.3f}, noise {noise**2:.4f}")

figure, axes = plt.subplots(1, 2, figsize=(9, 3))
axes[0].semilogy(spectrum, label="samples")
axes[0].axhline(noise**2, color="grey", linestyle=":", label="noise")
axes[0].set(xlabel="principal component", ylabel="variance", title="Every dimension is used")
axes[0].legend()
axes[1].hist(samples.norm(dim=1), bins=60)
axes[1].set(xlabel="norm of a sample", ylabel="samples", title="How much is active differs")
figure.tight_layout()
plt.show()

# %% [markdown]
# There are more features than dimensions, and no component stands out: principal components can't be features. But
# few features are active at a time, with positive magnitudes. So codes can be found greedily: add the feature that
# fits the rest best, solve for all magnitudes so far, and stop at the noise (nonnegative orthogonal matching pursuit).
# With codes, directions follow by least squares (the method of optimal directions). In turn, both get better.

# %%
most_active = round(1.25 * n_active) + 2


def codes_of(x, rows):
    """Magnitudes of unit rows in samples x, found greedily; shape (samples, rows)."""
    gram, fits = rows @ rows.T, x @ rows.T
    codes = torch.zeros_like(fits)
    left, chosen, rest_fits = torch.arange(len(x)), torch.empty(len(x), 0, dtype=torch.long), fits.clone()
    for step in range(1, most_active + 1):
        chosen = torch.cat([chosen, rest_fits.argmax(1, keepdim=True)], 1)
        among = gram[chosen[:, :, None], chosen[:, None, :]] + 1e-4 * torch.eye(step)
        found = torch.linalg.solve(among, fits[left].gather(1, chosen)).clamp(min=0)
        rest = x[left] - (found[:, :, None] * rows[chosen]).sum(1)
        done = (rest.square().sum(1) < 1.2 * floor) | (step == most_active)
        codes[left[done, None], chosen[done]] = found[done]
        left, chosen = left[~done], chosen[~done]
        if not len(left):
            break
        rest_fits = (rest[~done] @ rows.T).scatter(1, chosen, -1.0)  # none twice
    return codes


def unit(rows):
    return rows / rows.norm(dim=1, keepdim=True).clamp(min=1e-9)


def improve(rows, rounds, size, generator, renew=True):
    """Codes and least squares in turn, each round on a fresh part of the samples."""
    course = []
    for _ in range(rounds):
        x = samples[torch.randperm(n_samples, generator=generator)[:size]]
        codes = codes_of(x, rows)
        rest = x - codes @ rows
        course.append(float(rest.square().sum(1).mean()))
        counts = (codes.T @ codes).double() + 1e-2 * torch.eye(len(rows), dtype=torch.float64)
        rows = unit(torch.linalg.solve(counts, (codes.T @ x).double()).float())
        # a row that is there twice or hardly used begins anew, where samples are explained worst
        idle = ((rows @ rows.T).triu(1) > 0.95).any(0) | ((codes > 0).sum(0) < 4e-4 * size)
        if renew and idle.any():
            worst = torch.multinomial(rest.square().sum(1), int(idle.sum()), generator=generator)
            rows[idle] = unit(rest[worst])
    return rows, course


def start(seed, rounds=24, size=6000):
    """A dictionary from random samples."""
    generator = torch.Generator().manual_seed(seed)
    rows = unit(samples[torch.randperm(n_samples, generator=generator)[:n_features]])
    return improve(rows, rounds, size, generator)


first, first_course = start(1)
print(f"left after the first start: {first_course[-1]:.3f} (noise {floor:.3f})")

# %%
second, second_course = start(2)
print(f"left after the second start: {second_course[-1]:.3f}")

# %% [markdown]
# # Which rows are features?
#
# A row that mixes two features depends on where one began. A row that comes back from another start does not.

# %%
likeness = (first @ second.T).max(1).values
back = likeness > 0.9
print(f"{int(back.sum())} of {n_features} rows came back")

figure, axes = plt.subplots(1, 2, figsize=(9, 3))
for course in (first_course, second_course):
    axes[0].semilogy(course)
axes[0].axhline(floor, color="grey", linestyle=":", label="noise")
axes[0].set(xlabel="round", ylabel="squared error of a sample", title="Two starts")
axes[0].legend()
axes[1].hist(likeness, bins=40)
axes[1].set(xlabel="cosine with the nearest row of the other start", ylabel="rows", title="Rows come back, or don't")
figure.tight_layout()
plt.show()

# %% [markdown]
# Go on from the rows that came back and those of either start that explain most; the others begin anew. Then use
# larger parts of the samples.

# %%
generator = torch.Generator().manual_seed(3)
others = torch.cat([first[~back], second[(second @ first.T).max(1).values <= 0.9]])
codes = codes_of(samples[:6000], torch.cat([first[back], others]))
used = codes[:, int(back.sum()) :].square().sum(0)
kept = torch.cat([first[back], others[used.argsort(descending=True)[: n_features - int(back.sum())]]])
merged, merged_course = improve(kept, 12, 8000, generator)
print(f"left: {merged_course[-1]:.3f} (noise {floor:.3f})")

# %%
merged, merged_course = improve(merged, 6, 12_000, generator)
print(f"left: {merged_course[-1]:.3f}")

# %% [markdown]
# # Better codes
#
# Greedy codes begin with the row that fits best, which may be a mixture, and stay with it. An l1 penalty weighs all
# rows against each other; magnitudes are then solved for on its support, so that the penalty does not shrink them.


# %%
def careful_codes_of(x, rows, steps=40):
    """Magnitudes by nonnegative lasso (FISTA, Beck & Teboulle 2009), refitted on their support."""
    gram, fits = rows @ rows.T, x @ rows.T
    largest = float(torch.linalg.matrix_norm(rows, 2) ** 2)
    penalty = 0.03 + 2.5 * noise
    codes = ahead = torch.zeros_like(fits)
    momentum = 1.0
    for _ in range(steps):
        new = (ahead - (ahead @ gram - fits + penalty) / largest).clamp(min=0)
        next_momentum = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
        ahead = new + (momentum - 1) / next_momentum * (new - codes)
        codes, momentum = new, next_momentum
    size, chosen = codes.topk(2 * n_active + 6, dim=1)
    on = size > 0.05
    among = gram[chosen[:, :, None], chosen[:, None, :]] * (on[:, :, None] & on[:, None, :])
    among += torch.diag_embed((~on).float()) + 1e-4 * torch.eye(chosen.shape[1])
    found = torch.linalg.solve(among, fits.gather(1, chosen) * on).clamp(min=0) * on
    return torch.zeros_like(codes).scatter(1, chosen, found)


def refit(rows, x):
    """Directions by least squares on careful codes, the codes, and what they leave."""
    codes = torch.cat([careful_codes_of(part, rows) for part in x.split(2000)])
    counts = (codes.T @ codes).double() + 1e-2 * torch.eye(len(rows), dtype=torch.float64)
    return unit(torch.linalg.solve(counts, (codes.T @ x).double()).float()), codes, x - codes @ rows


# %% [markdown]
# # Is a row a sum of two features?
#
# Where a feature occurs only together with another one, a row for their sum makes codes sparser, and the feature itself
# is never found (feature absorption). But their magnitudes differ from sample to sample, and one positive number can't
# fit both: what greedy codes leave of samples in which such a row is used varies along the other feature, far more than
# along other directions. Then the row is replaced by the part that the other one does not explain.


# %%
def some(size):
    return samples[torch.randperm(n_samples, generator=generator)[:size]]


def signs_of_sums(rows, x):
    """For each row, how much more the rest varies along a similar row than on average, and the row without that one.

    Greedy codes that leave more than noise do so along similar rows, whatever these are: third, what counts as a sign.
    """
    codes = codes_of(x, rows)
    rest = x - codes @ rows
    used = (codes > 0).float()
    often = used.sum(0).clamp(min=1)[:, None]
    usual = (used * rest.square().sum(1, keepdim=True)).sum(0)[:, None] / often / width
    likeness = (rows @ rows.T).fill_diagonal_(0)
    ratio, other = (used.T @ (rest @ rows.T).square() / often / usual * (likeness > 0.35)).max(1)
    sign = 1 + 2 * max(0.15, float(rest.square().sum(1).mean()) / floor - 1)
    return ratio, unit(rows - likeness.gather(1, other[:, None]) * rows[other]), sign


shown = []
for _ in range(2):
    ratio, parts, sign = signs_of_sums(merged, some(10_000))
    shown.append(ratio / sign)
    merged = torch.where((ratio > sign)[:, None], parts, merged)
    print(f"{int((ratio > sign).sum())} of {n_features} rows are sums: a ratio above {sign:.2f}")
    merged, codes, rest = refit(merged, some(8000))
    print(f"left of careful codes: {rest.square().sum(1).mean():.4f} (noise {floor:.4f})")

figure, axis = plt.subplots(figsize=(5, 3))
for number, ratio in enumerate(shown, start=1):
    axis.plot(ratio.sort(descending=True).values, label=f"round {number}")
axis.axhline(1, color="grey", linestyle=":")
axis.set(xlabel="row, sorted", ylabel="ratio, relative to the sign", title="Which rows are sums?")
axis.legend()
plt.show()

# %%
for _ in range(2):
    merged, codes, rest = refit(merged, some(8000))
    print(f"left: {rest.square().sum(1).mean():.4f} (noise {floor:.4f})")

# %% [markdown]
# Last, each half of the samples refits the dictionary by itself. Rows on which the halves disagree are left out.

# %%
halves = [refit(merged, half[:8000])[0] for half in samples.chunk(2)]
agreement = (halves[0] * halves[1]).sum(1)
directions, codes, rest = refit(unit(halves[0] + halves[1]), some(8000))
double = ((directions @ directions.T).triu(1) > 0.95).any(0)
directions = directions[(agreement > 0.8) & ~double]
left = float(rest.square().sum(1).mean())
print(f"{len(directions)} of {len(merged)} rows stay; median agreement {agreement.median():.3f}; left {left:.4f}")

figure, axis = plt.subplots(figsize=(5, 3))
axis.hist(agreement, bins=40)
axis.set(xlabel="cosine between the halves", ylabel="rows", title="Do the halves agree?")
plt.show()

# %%
share = len(directions) / n_features
answer = {
    "dictionary": directions,
    "confidence": 0.9 if share > 0.9 and left < 1.1 * floor else 0.3,
    "summary": (
        f"Greedy codes and least squares in turn from two starts; {len(directions)} of {n_features} rows agree between "
        f"halves of the samples; what codes leave of a sample is {left:.4f}, and noise alone {floor:.4f}."
    ),
}
