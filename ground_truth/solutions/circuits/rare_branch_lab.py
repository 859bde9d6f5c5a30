"""Reference solution of circuits/rare_branch in laboratories: fit what neurons look for, and try what fits."""

# %% [markdown]
# # Every token, in random prompts
#
# The condition is too rare to be met by chance. But its parts may show: a neuron that looks for two tokens at a
# distance is active a little wherever tokens are somewhat like them. So all tokens are run in random order, and
# embeddings and neurons are read.

# %%
import itertools
import random

import matplotlib.pyplot as plt
import torch

rng = random.Random(0)
torch.manual_seed(0)
n_heads, n_ctx, d_mlp = lab.shape["n_heads"], prompts.shape[1], lab.shape["d_mlp"]
n_tokens, START, LAST = len(token_names), int(prompts[0, 0]), n_ctx - 1
tokens = [token for token in range(n_tokens) if token != START]
start = lab.budget
EXPLORED = max(int(0.42 * start.total), -(-len(tokens) // LAST))


def covering(count):
    """Random prompts in which tokens come equally often."""
    order = []
    while len(order) < count * LAST:
        order += rng.sample(tokens, len(tokens))
    return torch.tensor([[START, *order[i * LAST : (i + 1) * LAST]] for i in range(count)])


rows = covering(EXPLORED)
run = lab.run(rows, read=["embed", "neurons.0", "neurons.1"])
embedded, seen, later = run["embed"], run["neurons.0"], run["neurons.1"]
few = lab.run(prompts[:2], read=[f"pattern.0.{head}" for head in range(n_heads)])
distances = set()
for head in range(n_heads):
    pattern = few[f"pattern.0.{head}"]
    away = {int(to - pattern[0, to].argmax()) for to in range(n_ctx // 2 + 3, n_ctx)}
    if pattern.amax(-1).min() > 0.6 and len(away) == 1:
        distances.add(away.pop())
distances = sorted(distances)
print(lab.budget, "| some head of layer 0 looks back by", distances)

# %% [markdown]
# # What neurons of the first layer look for
#
# What a neuron of layer 0 reads is a linear function of the token at its place and of one before. It is fitted for each
# neuron: first the distance, by linear regression, then both functions, for what is left above the threshold. Only what
# varies in the embeddings is used.

# %%
steady = embedded.mean(0)
sums, counts = torch.zeros(n_tokens, embedded.shape[-1]), torch.zeros(n_tokens)
sums.index_add_(0, rows[:, 1:].flatten(), (embedded - steady)[:, 1:].flatten(0, 1))
counts.index_add_(0, rows[:, 1:].flatten(), torch.ones(rows[:, 1:].numel()))
E = sums / counts.clamp(min=1)[:, None]
_, S, V = torch.linalg.svd(E[tokens], full_matrices=False)
rank = int((2 * S.median() < S).sum())
F = E @ V[:rank].T
F /= F[tokens].pow(2).sum(1).mean().sqrt()
F[START] = 0
print(f"embeddings vary in {rank} directions")


def features(some, distance):
    """[place, feature] of the tokens at all places but the first, and of those so many places before."""
    before = torch.full_like(some, START)
    before[:, distance:] = some[:, : n_ctx - distance]
    return torch.cat([F[some[:, 1:]], F[before[:, 1:]]], -1).flatten(0, 1)


def fitted(some, values, at, start_from=None):
    """Weights [feature, neuron] and offsets of neurons at one distance, by least squares of what is above zero."""
    X, y = features(some, at), values[:, 1:].flatten(0, 1)
    if start_from is None:
        centred = y - y.mean(0)
        W = torch.linalg.lstsq(X.T @ X + 10 * torch.eye(X.shape[1]), X.T @ centred).solution
        W = 3 * W / (y > 0.05).float().mean(0).clamp(min=0.05).sqrt()
        start_from = (W, torch.full((y.shape[1],), -0.2))
    W, b = (one.clone().requires_grad_() for one in start_from)
    optimiser = torch.optim.Adam([W, b], lr=0.02)
    STEPS = 300
    for step in range(STEPS):
        for group in optimiser.param_groups:
            group["lr"] = 0.02 * (1 - step / STEPS) + 1e-4
        pre = X @ W + b
        loss = (torch.nn.functional.leaky_relu(pre, 0.02 * (1 - step / STEPS)) - y).pow(2).sum() / y.pow(2).mean()
        loss = loss / len(y) + 1e-3 * W.pow(2).sum() / len(y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return W.detach(), b.detach()


y = seen[:, 1:].flatten(0, 1)
centred = y - y.mean(0)
explains = []
for distance in distances:
    X = features(rows, distance)
    W = torch.linalg.lstsq(X.T @ X + torch.eye(X.shape[1]), X.T @ centred).solution
    explains.append(1 - (centred - X @ W).pow(2).sum(0) / centred.pow(2).sum(0))
explains = torch.stack(explains)
noise = max(1e-3, lab.terms["read_noise"] * float(y.pow(2).mean().sqrt()))
active = (y > 4 * noise).float().mean(0)
specific = [n for n in range(d_mlp) if active[n] < 0.25]
apart = {n: distances[int(explains[:, n].argmax())] for n in specific}
figure, axis = plt.subplots(figsize=(6, 4))
axis.scatter(active, explains.amax(0), s=12)
axis.set(xlabel="share of places at which a neuron is active", ylabel="R², best distance", title="layer 0")
plt.show()
print(f"{len(specific)} neurons are active at few places; noise {noise:.3f}")

# %% [markdown]
# # Trying what fits
#
# For each of these neurons, the tokens that would excite it most are put together at their distance. What they do is
# seen, and the fit is made again with it.

# %%
TOP, ROUNDS = 4, 3
strength = {n: {} for n in specific}  # neuron -> (token before, token) -> output, a mean over all times it was there
times = {n: {} for n in specific}
everything, outputs = rows, seen


def packed(wanted):
    """Prompts with as many as possible of the wanted (neuron, token before, token), and where each stands."""
    made, where, left = [], [], list(wanted)
    while left:
        row, taken, still = rng.sample(tokens, LAST), set(), []
        for n, first, last in left:
            ends = [e for e in range(1 + apart[n], n_ctx) if not {e, e - apart[n]} & taken]
            if ends:
                end = rng.choice(ends)
                taken |= {end, end - apart[n]}
                row[end - 1], row[end - apart[n] - 1] = last, first
                where.append((len(made), end, n, first, last))
            else:
                still.append((n, first, last))
        made.append([START, *row])
        left = still
    return torch.tensor(made), where


def best_of(n):
    """The strongest pair seen so far."""
    return max(strength[n], key=strength[n].get) if strength[n] else (None, None)


models = {}
for attempt in range(ROUNDS):
    for distance in distances:
        group = [n for n in specific if apart[n] == distance]
        if group:
            W, b = fitted(everything, outputs[..., group], distance)
            for i, n in enumerate(group):
                models[n] = (F @ W[:rank, i], F @ W[rank:, i])
    wanted = set()
    for n in specific:
        own, before = models[n]
        lasts, firsts = own.topk(TOP).indices.tolist(), before.topk(TOP).indices.tolist()
        first, last = best_of(n)
        first, last = (firsts[0], lasts[0]) if first is None or attempt == 1 else (first, last)
        wanted |= {(n, first, one) for one in lasts} | {(n, one, last) for one in firsts}
    wanted = sorted(one for one in wanted if one[1:] not in strength[one[0]] and one[1] != one[2])
    rng.shuffle(wanted)
    some, where = packed(wanted)
    if len(some) > lab.budget.left - 0.2 * start.total:
        break
    found = lab.run(some, read=["neurons.0"])["neurons.0"]
    everything, outputs = torch.cat([everything, some]), torch.cat([outputs, found])
    for prompt, end, n, first, last in where:
        count = times[n].get((first, last), 0)
        old = strength[n].get((first, last), 0.0)
        strength[n][first, last] = (old * count + float(found[prompt, end, n])) / (count + 1)
        times[n][first, last] = count + 1
    print(f"{len(some)} prompts; strongest: {sorted(round(max(strength[n].values()), 2) for n in specific)}")

# %% [markdown]
# A neuron has found what it looks for if it was never nearly as active in random prompts. A token belongs to that if it
# does nearly as much as the best one.

# %%
NEARLY, ABOVE = 0.88, 1.25
pairs = {}
for n in specific:
    first, last = best_of(n)
    most = strength[n][first, last]
    if most < ABOVE * float(seen[:, 1:, n].max()):
        continue
    lasts = [b for (a, b), value in strength[n].items() if a == first and value > NEARLY * most]
    firsts = [a for (a, b), value in strength[n].items() if b == last and value > NEARLY * most]
    pairs[n] = {0: sorted(lasts), apart[n]: sorted(firsts)}
    print(f"L0.N{n} wants {pairs[n]}: {most:.2f}")

# %% [markdown]
# # What the second layer makes of them
#
# Each pair is put into prompts alone. A neuron that is silent otherwise, and now fires at the end of the pair or behind
# it, waits for it, and perhaps for another one.

# %%
quiet = max(1e-3, lab.terms["read_noise"] * float(later.pow(2).mean().sqrt()))
usual = (later[:, 1:] > max(5 * quiet, 0.03)).float().mean((0, 1))
silent = [n for n in range(d_mlp) if usual[n] < 0.01]
END, ALONE = max(distances) + 1, 3


def placed(groups, base):
    """A prompt with pairs, each given by what it wants and where it ends; None where they don't fit."""
    row, taken = list(base), {}
    for needed, end in groups:
        for distance, wanted in needed.items():
            place = end - distance
            if not 0 < place < n_ctx or place in taken:
                return None
            taken[place] = rng.choice(wanted)
    for place, token in taken.items():
        row[place] = token
    return row


supply = itertools.cycle(generate(3000, 11).tolist())
alone = [(n, placed([(needed, END)], next(supply))) for n, needed in pairs.items() for _ in range(ALONE)]
response = {}
if alone:
    found = lab.run(torch.tensor([row for _, row in alone]), read=["neurons.1"])["neurons.1"][:, END:]
    for i, n in enumerate(pairs):
        response[n] = found[ALONE * i : ALONE * (i + 1)].median(0).values  # [offset, neuron]
BAR = max(0.05, 2.5 * quiet)
candidates = []
for n in silent:
    offsets = {one: torch.where(response[one][:, n] > BAR)[0].tolist() for one in pairs}
    last = [one for one, there in offsets.items() if there == [0]]
    first = [one for one, there in offsets.items() if any(there)]
    if last or first:
        print(f"L1.N{n}:", {one: there for one, there in offsets.items() if there})
    for one, other in itertools.product(first, last):
        gaps = [offset for offset in offsets[one] if offset]
        # what may stand anywhere before was seen at nearly all distances
        gaps = list(range(1, n_ctx)) if len(gaps) > (n_ctx - END) / 2 else gaps
        candidates.append((n, one, gaps, other, float(response[one][:, n].max() + response[other][0, n])))
print(lab.budget, "|", len(candidates), "candidates")

# %% [markdown]
# # Which of them change the label?

# %%
TRIED = 4
rules = []
candidates.sort(key=lambda one: -one[-1])
for n, one, gaps, other, _ in candidates:
    made, ordinarily = [], []
    for _ in range(200):
        gap = rng.choice(gaps)
        end = rng.randrange(1, n_ctx)
        base = next(supply)
        row = placed([(pairs[one], end - gap), (pairs[other], end)], base) if end > gap else None
        if row is not None and ordinarily.count(ordinary(row)) < 2:
            made.append(row)
            ordinarily.append(ordinary(row))
        if len(made) == TRIED:
            break
    if len(made) < TRIED or lab.budget.left < len(made):
        continue
    labels = lab.run(torch.tensor(made)).labels.flatten().tolist()
    label = max(set(labels), key=labels.count)
    print(f"L1.N{n}: L0.N{one} {gaps} before L0.N{other}: labels {labels}, ordinarily {ordinarily}")
    if labels.count(label) == len(labels) and ordinarily.count(label) < len(labels) - 1:
        rules.append((pairs[one], pairs[other], gaps, label))
        break

CODE = """
FIRST, LAST, GAPS = {first}, {last}, {gaps}


def ends(prompt, needed):
    return [end for end in range(max(needed) + 1, len(prompt))
            if all(prompt[end - distance] in tokens for distance, tokens in needed.items())]


def predict(prompt):
    for one in ends(prompt, FIRST):
        for other in ends(prompt, LAST):
            if other - one in GAPS:
                return {label}
    return ordinary(prompt)
"""
code = ""
if rules:
    first, last, gaps, label = rules[0]
    code = CODE.format(first=first, last=last, gaps=gaps, label=label)
print(lab.budget)
print(code)
strongest = [max(strength[n].values()) for n in specific]
answer = {
    "code": code,
    "nothing_found": not rules,
    "confidence": 0.9 if rules else 0.75,
    "summary": (
        f"{len(pairs)} neurons of layer 0 look for two tokens at a distance (fitted, then tried); {len(candidates)} "
        f"combinations of these excite silent neurons of layer 1, and {len(rules)} of them change the label."
    ),
}
