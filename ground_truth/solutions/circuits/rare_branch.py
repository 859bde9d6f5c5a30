"""Reference solution of circuits/rare_branch: read from the weights what could ever make neurons fire, and try it."""

# %% [markdown]
# # What is rare
#
# The condition is too rare to be met by chance. But whatever notices it is made of parts, which may be active a little
# now and then, where a prompt is somewhat like what they look for. Which neurons fire at few places, and does the
# ordinary rule hold?

# %%
import itertools
import random

import matplotlib.pyplot as plt
import numpy as np
import torch

torch.set_grad_enabled(False)
rng = random.Random(0)
n_layers, n_heads, n_ctx, n_tokens = model.cfg.n_layers, model.cfg.n_heads, model.cfg.n_ctx, model.cfg.d_vocab
START = int(prompts[0, 0])
usual = prompts[:1000]


def labels_of(tokens):
    return model(tokens)[:, -1].argmax(-1)


def ordinary_labels(tokens):
    return torch.tensor([ordinary(row) for row in tokens.tolist()])


_, cache = model.run_with_cache(
    usual, names_filter=lambda name: name.endswith(("hook_pattern", "hook_pre", "hook_z", "hook_mlp_out"))
)
agreement = (labels_of(usual) == ordinary_labels(usual)).float().mean().item()
SELDOM = 0.2  # share of places
rates = {layer: (cache[f"blocks.{layer}.mlp.hook_pre"][:, 1:] > 0).float().mean((0, 1)) for layer in range(n_layers)}
print(f"the ordinary label is right in {agreement:.4f} of {len(usual)} prompts")
for layer, found_at in rates.items():
    seldom, never = (found_at < SELDOM).sum(), (found_at == 0).sum()
    print(f"layer {layer}: {seldom} of {model.cfg.d_mlp} neurons fire at few places, {never} of them at none")
specific = torch.where(rates[0] < SELDOM)[0].tolist()

# %% [markdown]
# # What neurons of the first layer read
#
# A neuron of the first layer reads the token at its own place, and what heads bring. A head whose pattern is the same
# in all prompts, and that attends to one place, brings a linear function of the token there: for each neuron, a table
# over tokens. What the other heads bring is taken to be what they bring on average.

# %%
E, P = model.W_E, model.W_pos
MID = n_ctx // 2 + 3  # a place that has others before it
pattern = cache["blocks.0.attn.hook_pattern"]  # (prompts, heads, to, from)
distances = {}
for head in range(n_heads):
    mean, spread = pattern[:, head].mean(0), pattern[:, head].std(0).max()
    places = mean.argmax(-1)
    away = {int(to - places[to]) for to in range(MID, n_ctx)}
    if spread < 1e-3 and mean.amax(-1).min() > 0.98 and len(away) == 1:
        distances[head] = away.pop()
print("heads of layer 0 that look back so many places:", distances)


def first_layer_tables(neurons):
    """For each neuron: a table of its input over tokens at each distance, and all that does not depend on these."""
    into = model.W_in[0][:, neurons]
    tables = {0: E @ into}
    constant = model.b_in[0][neurons] + (P[MID] + model.b_O[0]) @ into
    for head, distance in distances.items():
        circuit = model.W_V[0, head] @ model.W_O[0, head] @ into
        tables[distance] = tables.get(distance, 0) + E @ circuit
        constant = constant + P[MID - distance] @ circuit + model.b_V[0, head] @ model.W_O[0, head] @ into
    for head in set(range(n_heads)) - set(distances):
        constant = constant + cache["blocks.0.attn.hook_z"][:, MID, head].mean(0) @ model.W_O[0, head] @ into
    return tables, constant


everything = list(range(model.cfg.d_mlp))
tables, constant = first_layer_tables(everything)
reachable = constant + sum(table.amax(0) for table in tables.values())
ordinarily = cache["blocks.0.mlp.hook_pre"].amax((0, 1))
figure, axis = plt.subplots(figsize=(6, 4))
axis.scatter(ordinarily, reachable, s=12)
axis.axhline(0, color="grey")
axis.axvline(0, color="grey")
axis.set(xlabel="largest input in 1000 prompts", ylabel="largest input of any tokens", title="neurons of layer 0")
plt.show()

# %% [markdown]
# Which tokens, at which distances, does a neuron that fires at few places look for? A table matters where its input is
# much smaller without the best token.

# %%
NEARLY = 0.88


def asked_by(neuron):
    """Distance -> the tokens of which one is needed there to bring a neuron near the most that it can reach."""
    needed = {}
    for distance, table in tables.items():
        values = table[:, neuron]
        enough = torch.where(reachable[neuron] - values.max() + values > NEARLY * reachable[neuron])[0].tolist()
        if len(enough) < n_tokens // 4:
            needed[distance] = [token for token in enough if token != START]
    return needed


found = {}
for neuron in specific:
    if reachable[neuron] > 0:
        needed = asked_by(neuron)
        if needed and all(needed.values()):
            found[neuron] = needed
for neuron, needed in found.items():
    listed = ", ".join(f"{distance} back: {'/'.join(map(str, tokens))}" for distance, tokens in sorted(needed.items()))
    print(f"L0.N{neuron} wants {listed}; input {reachable[neuron]:.2f}")

# %% [markdown]
# Is that so in the model itself? Each of these groups of tokens is put at each place of ordinary prompts.


# %%
def placed(groups, base):
    """A prompt with groups of tokens, each given by what it wants and where it ends; None where they don't fit."""
    row, taken = list(base), {}
    for needed, end in groups:
        for distance, tokens in needed.items():
            place = end - distance
            if not 0 < place < n_ctx or place in taken:
                return None
            taken[place] = rng.choice(tokens)
    for place, token in taken.items():
        row[place] = token
    return row


background = generate(4000, 11).tolist()
supply = itertools.cycle(background)
events = []
for neuron, needed in found.items():
    ends = [end for end in range(1, n_ctx) if placed([(needed, end)], background[0])]
    rows = torch.tensor([placed([(needed, end)], next(supply)) for end in ends])
    pre = model.run_with_cache(rows, names_filter="blocks.0.mlp.hook_pre")[1]["blocks.0.mlp.hook_pre"]
    fires = [(pre[i, end, neuron] > 0.8 * reachable[neuron]).item() for i, end in enumerate(ends)]
    print(f"L0.N{neuron} fires as it should at {sum(fires)} of {len(ends)} places")
    if sum(fires) > len(fires) / 2:
        events.append(needed)

# %% [markdown]
# # What they do together
#
# The label may change for one of these alone, for two, or for more. All singles and all ordered pairs are tried, at all
# distances between them, in ordinary prompts.


# %%
def fitting(groups, gap):
    """Two random prompts with two groups whose ends are so far apart, and these ends; none where they don't fit.

    Their ordinary labels differ, so that one of them shows an exception whatever its label.
    """
    made = []
    for _ in range(16):
        end = rng.randrange(gap + 1, n_ctx)
        row = placed([(groups[0], end - gap), (groups[1], end)], next(supply))
        if row is not None and (not made or ordinary(row) != ordinary(made[0][0])):
            made.append((row, (end - gap, end)))
        if len(made) == 2:
            break
    return made


rows, kept = [], []
for needed in events:
    for end in range(1, n_ctx):
        row = placed([(needed, end)], next(supply))
        if row is not None:
            rows.append(row)
            kept.append(((needed,), (end,)))
for first, second in itertools.permutations(range(len(events)), 2):
    groups = (events[first], events[second])
    for gap in range(1, n_ctx - 1):
        for row, ends in fitting(groups, gap):
            rows.append(row)
            kept.append((groups, ends))
rows = torch.tensor(rows)
said = torch.cat([labels_of(part) for part in rows.split(4000)])
expected = ordinary_labels(rows)
changed = [i for i in range(len(rows)) if said[i] != expected[i]]
print(f"{len(rows)} prompts with one or two of {len(events)} groups; the label is another in {len(changed)}")

# %% [markdown]
# # The rule
#
# Changed labels are sorted by the groups that were there. If there are none, three at a time are tried before giving
# up: a condition of more parts would need them.

# %%
if not changed and len(events) >= 3:
    rows, kept = [], []
    for _ in range(15_000):
        groups = rng.sample(events, 3)
        ends = sorted(rng.sample(range(1, n_ctx), 3))
        row = placed(list(zip(groups, ends, strict=True)), next(supply))
        if row is not None:
            rows.append(row)
            kept.append((tuple(groups), tuple(ends)))
    rows = torch.tensor(rows)
    said = torch.cat([labels_of(part) for part in rows.split(4000)])
    expected = ordinary_labels(rows)
    changed = [i for i in range(len(rows)) if said[i] != expected[i]]
    print(f"{len(rows)} prompts with three groups; the label is another in {len(changed)}")

rule = None
if changed:
    by_groups = {}
    for i, (groups, _) in enumerate(kept):
        if said[i] != expected[i]:
            by_groups.setdefault((repr(groups), int(said[i])), []).append(i)
    most = max(by_groups.values(), key=len)
    groups = kept[most[0]][0]
    label = int(torch.stack([said[i] for i in most]).mode().values)
    gaps = {}
    for i, (others, ends) in enumerate(kept):
        if repr(others) == repr(groups) and expected[i] != label:
            gaps.setdefault(tuple(b - a for a, b in itertools.pairwise(ends)), []).append(int(said[i]) == label)
    shares = {gap: np.mean(hits) for gap, hits in gaps.items()}
    works = sorted(gap for gap, share in shares.items() if share > 0.5)
    fails = sorted(gap for gap, share in shares.items() if share <= 0.5)
    print(f"label {label} with {groups}\n  at distances {works}, not at {fails}")
    rule = {"groups": groups, "label": label, "gaps": None if not fails else works}

# %% [markdown]
# The rule is tested on new prompts: where it says that the label is another, where a part is missing, and where the
# order or a distance is changed.

# %%
CODE = """
GROUPS = {groups}
GAPS = {gaps}


def ends(prompt, needed):
    return [end for end in range(max(needed) + 1, len(prompt))
            if all(prompt[end - distance] in tokens for distance, tokens in needed.items())]


def holds(prompt, last=0, left=GROUPS, passed=()):
    if not left:
        return GAPS is None or passed in GAPS
    for end in ends(prompt, left[0]):
        if end > last or not passed and len(left) == len(GROUPS):
            gap = passed + ((end - last,) if len(left) < len(GROUPS) else ())
            if holds(prompt, end, left[1:], gap):
                return True
    return False


def predict(prompt):
    return {label} if holds(prompt) else ordinary(prompt)
"""
code = ""
if rule is not None:
    code = CODE.format(groups=list(rule["groups"]), gaps=rule["gaps"], label=rule["label"])
    space = {"ordinary": ordinary}
    exec(code, space)
    tests = {"met": [], "a token is missing": [], "moved": []}
    while min(map(len, tests.values())) < 300:
        ends = sorted(rng.sample(range(1, n_ctx), len(rule["groups"])))
        row = placed(list(zip(rule["groups"], ends, strict=True)), next(supply))
        if row is None:
            continue
        tests["met" if space["holds"](row) else "moved"].append(row)
        if space["holds"](row):
            less = list(row)
            wanted = {token for group in rule["groups"] for tokens in group.values() for token in tokens}
            place = rng.choice([place for place, token in enumerate(row) if token in wanted])
            less[place] = next(supply)[place]
            tests["a token is missing"].append(less)
            order = list(row)
            a, b = rng.sample([place for place, token in enumerate(row) if token in wanted], 2)
            order[a], order[b] = order[b], order[a]
            tests["moved"].append(order)
    for name, some in tests.items():
        model_says = labels_of(torch.tensor(some)).tolist()
        right = np.mean([space["predict"](row) == said for row, said in zip(some, model_says, strict=True)])
        print(f"{name}: the rule is right in {right:.4f} of {len(some)} prompts")

answer = {
    "code": code,
    "nothing_found": rule is None,
    "confidence": 0.95 if rule is not None else 0.9,
    "summary": (
        f"Neurons of layer 0 that fire at few places want {len(events)} groups of tokens; "
        + (
            f"two of them together, {rule['groups']}, change the label to {rule['label']}."
            if rule is not None
            else "no one, two or three of them change the label."
        )
    ),
}
print(code)
