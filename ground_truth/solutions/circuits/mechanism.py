"""Reference solution of circuits/mechanism: find the nodes, what each says and reads, and write the rules down."""

# %% [markdown]
# # Which nodes matter, and where?
#
# Each node is patched alone, at all positions; those that matter then at all but the last. A node that matters there
# has something to say at every position, which later nodes fetch.

# %%

import matplotlib.pyplot as plt
import numpy as np
import torch

torch.set_grad_enabled(False)
rng = np.random.default_rng(0)
n_layers, n_heads, n_ctx = model.cfg.n_layers, model.cfg.n_heads, model.cfg.n_ctx
LAST = n_ctx - 1
NODES = [name for layer in range(n_layers) for name in (*(f"a{layer}.h{head}" for head in range(n_heads)), f"m{layer}")]


def split(node):
    """Layer and head; None for an MLP."""
    layer, _, head = node[1:].partition(".h")
    return int(layer), int(head) if head else None


def hook_name(node):
    layer, head = split(node)
    return f"blocks.{layer}.hook_mlp_out" if head is None else f"blocks.{layer}.attn.hook_z"


def cached(tokens):
    """What all nodes put out."""
    return model.run_with_cache(tokens, names_filter=lambda name: name.endswith(("hook_z", "hook_mlp_out")))[1]


def patched_labels(tokens, cache, nodes, positions=slice(None)):
    """Labels while nodes put out what they do in the cache, prompt by prompt."""
    hooks = []
    for node in nodes:
        head = split(node)[1]
        where = (slice(None), positions) if head is None else (slice(None), positions, head)

        def put(value, hook, where=where):
            value[where] = cache[hook.name][where]
            return value

        hooks.append((hook_name(node), put))
    return model.run_with_hooks(tokens, fwd_hooks=hooks)[:, -1].argmax(-1)


base, source = generate(300, 1), generate(300, 2)
there = cached(source)
clean = model(base)[:, -1].argmax(-1)


def changed(node, positions=slice(None)):
    """Share of labels that change where a node is patched."""
    return (patched_labels(base, there, [node], positions) != clean).float().mean().item()


MATTERS = 0.08  # a node that matters changes twice as many labels, one that does not next to none
everywhere = {node: changed(node) for node in NODES}
key = [node for node in NODES if everywhere[node] > MATTERS]
before_the_end = {node: changed(node, slice(0, LAST)) for node in key}
spread = {node for node in key if before_the_end[node] > 0.02}
figure, axes = plt.subplots(1, 2, figsize=(11, 3))
for axis, shares, title in ((axes[0], everywhere, "everywhere"), (axes[1], before_the_end, "before the end")):
    axis.bar(list(shares), list(shares.values()))
    axis.set(title=f"patched {title}", ylabel="share of labels that change")
    axis.tick_params(axis="x", rotation=90, labelsize=6)
plt.show()
print(f"{len(key)} nodes matter: {key}\nwith something to say before the end: {sorted(spread)}")

# %% [markdown]
# # What does each of them say?
#
# There is no LayerNorm, so nodes add up in the residual stream. What a node writes there is clustered: if it says one
# of a few things, its outputs are a few points.

# %%
many = generate(1500, 3)
cache = cached(many)
FULL = model.state_dict()


def weight(name, layer):
    return FULL[f"blocks.{layer}.{name}"].double().numpy()


def writes(node, cache):
    """What a node adds to the residual stream, (prompts, positions, width)."""
    layer, head = split(node)
    value = cache[hook_name(node)].double().numpy()
    return value if head is None else value[:, :, head] @ weight("attn.W_O", layer)[head]


def clusters(points):
    """Centres such that every point is near one, found greedily and then averaged."""
    drawn = points[rng.permutation(len(points))[:3000]]
    half = len(drawn) // 2
    radius = 0.25 * np.quantile(np.linalg.norm(drawn[:half] - drawn[half : 2 * half], axis=1), 0.9)
    left, centres = drawn, []
    while len(left) and len(centres) < 12:
        near = np.linalg.norm(left - left[0], axis=1) < radius
        centres.append((near.sum(), left[near].mean(0)))
        left = left[~near]
    kept = np.array([centre for count, centre in centres if count >= 2])
    for _ in range(3):
        nearest = snap(points, kept)
        kept = np.array([points[nearest == k].mean(0) if (nearest == k).any() else kept[k] for k in range(len(kept))])
    return kept


def snap(points, centres):
    """The nearest centre of each point."""
    return (np.sum(centres**2, -1) - 2 * points @ centres.T).argmin(-1)


centres, says, means = {}, {}, {}
for node in key:
    written = writes(node, cache)
    means[node] = written.mean(0)
    shown = written if node in spread else written[:, -1:]
    centres[node] = clusters(shown.reshape(-1, shown.shape[-1]))
    says[node] = snap(shown, centres[node])
    rest = shown - centres[node][says[node]]
    explained = 1 - (rest**2).sum() / ((shown - shown.mean((0, 1))) ** 2).sum()
    print(f"{node}: {len(centres[node])} values {np.bincount(says[node].ravel())}, {explained:.3f} of its variance")

# %% [markdown]
# # What does each of them read?
#
# The input of a node is a sum of parts: the token, the position (with all that does not matter, at its mean), and what
# earlier nodes say. So the network can be run on what nodes *say*. A part that can be replaced by its mean without
# changing what the node says is not read. Heads have three inputs, at the place that asks and at those that are asked:
# parts are tried for queries, keys and values one by one. What nodes say is shuffled between some prompts on the way,
# so that parts do not go together more than they must.

# %%
TOKEN, PLACE = "token", "place"
E = FULL["embed.W_E"].double().numpy()
P = FULL["pos_embed.W_pos"].double().numpy()
order = sorted(key, key=lambda node: (split(node)[0], split(node)[1] is None))
others = [node for node in NODES if node not in key]
other_means = {node: writes(node, cache).mean(0) for node in others}


def before(node):
    """All nodes that write before a node reads."""
    layer, head = split(node)
    return [
        one for one in NODES if split(one)[0] < layer or (head is None and split(one)[0] == layer and one[0] == "a")
    ]


def constant(earlier, layers, extra):
    """What is always there at each position: its embedding, biases, and the mean of what does not matter."""
    total = P[:n_ctx] + sum((weight("attn.b_O", layer) for layer in range(layers + extra)), np.zeros(P.shape[1]))
    for one in earlier:
        if one in other_means:
            total = total + other_means[one]
        elif one not in spread:  # it says something at the end alone
            total = total + np.concatenate([means[one][:-1], np.zeros((1, P.shape[1]))])
    return total


def parts_of(node):
    """Name of each part of a node's input -> a vector for each of its values."""
    earlier = before(node)
    layer, head = split(node)
    parts = {TOKEN: E, PLACE: constant(earlier, layer, head is None)}
    return parts | {one: centres[one] for one in earlier if one in key}


def values_of(part, tokens, said):
    """The values of a part, (prompts, positions); -1 where a node says nothing."""
    if part == TOKEN:
        return tokens
    if part == PLACE:
        return np.broadcast_to(np.arange(n_ctx), tokens.shape)
    if part in spread:
        return said[part]
    return np.concatenate([np.full((len(tokens), LAST), -1), said[part]], 1)


def summed(vectors, values, read):
    """The sum of parts of which the unread are at their means, for all prompts and positions.

    The mean is that of each position where the place is read, else that of all positions.
    """
    over = 0 if PLACE in read else (0, 1)
    total = 0.0
    for part, table in vectors.items():
        row = values[part]
        looked = np.where((row >= 0)[..., None], table[row], 0.0)
        total = total + (looked if part in read else looked.mean(over, keepdims=True))
    return total


SHUFFLED, TRIED = 0.3, 800
tokens = many[:TRIED].numpy()
says = {node: said[:TRIED] for node, said in says.items()}
mixed = {}
for node in key:
    swap = rng.random(len(tokens)) < SHUFFLED
    mixed[node] = says[node].copy()
    mixed[node][swap] = says[node][rng.permutation(len(tokens))][swap]


def asked(node):
    """The positions at which a node has something to say."""
    return np.arange(n_ctx) if node in spread else np.array([LAST])


class Head:
    """One head on what is said."""

    roles = ("query", "key", "value")

    def __init__(self, node):
        layer, head = split(node)
        self.node, self.parts = node, parts_of(node)
        letters = dict(zip(self.roles, "QKV", strict=True))
        self.maps = {role: weight(f"attn.W_{letter}", layer)[head] for role, letter in letters.items()}
        self.biases = {role: weight(f"attn.b_{letter}", layer)[head] for role, letter in letters.items()}
        self.out = weight("attn.W_O", layer)[head]
        self.vectors = {
            role: {part: table @ self.maps[role] for part, table in self.parts.items()} for role in self.roles
        }

    def say(self, values, read):
        """What it says if of every input only the parts in `read` are there."""
        shape = (*values[TOKEN].shape, len(self.out))
        inner = {
            role: np.broadcast_to(summed(self.vectors[role], values, read[role]) + self.biases[role], shape)
            for role in self.roles
        }
        places = asked(self.node)
        scores = inner["query"][:, places] @ inner["key"].swapaxes(1, 2) / np.sqrt(self.out.shape[0])
        scores = np.where(np.arange(n_ctx) <= places[:, None], scores, -np.inf)
        attention = np.exp(scores - scores.max(-1, keepdims=True))
        attention /= attention.sum(-1, keepdims=True)
        return snap(attention @ inner["value"] @ self.out, centres[self.node])


class Mlp:
    """One MLP on what is said."""

    roles = ("input",)

    def __init__(self, node):
        self.node, self.parts = node, parts_of(node)
        layer = split(node)[0]
        self.into, self.bias = weight("mlp.W_in", layer), weight("mlp.b_in", layer)
        self.out, self.offset = weight("mlp.W_out", layer), weight("mlp.b_out", layer)

    def of(self, x):
        return np.maximum(x @ self.into + self.bias, 0) @ self.out + self.offset

    def say(self, values, read):
        x = np.broadcast_to(summed(self.parts, values, read["input"]), (*values[TOKEN].shape, len(self.into)))
        return snap(self.of(x[:, asked(self.node)]), centres[self.node])


TOLERATED = 0.004  # share of what a node says that may change when parts are left out
readers, reads = {}, {}
for node in order:
    reader = readers[node] = Head(node) if node[0] == "a" else Mlp(node)
    mattering = {part: values_of(part, tokens, mixed) for part in reader.parts}
    read = {role: set(reader.parts) for role in reader.roles}
    full = reader.say(mattering, read)
    clean_values = {part: values_of(part, tokens, says) for part in reader.parts}
    agrees = (reader.say(clean_values, read) == says[node]).mean()

    def cost(role, part, read=read, reader=reader, mattering=mattering, full=full):
        trial = {**read, role: read[role] - {part}}
        return (reader.say(mattering, trial) != full).mean()

    candidates = sorted((cost(role, part), role, part) for role in reader.roles for part in reader.parts)
    for _, role, part in candidates:  # the least important ones first
        if cost(role, part) <= TOLERATED:
            read[role].discard(part)
    reads[node] = read
    listed = "; ".join(f"{role}: {', '.join(sorted(read[role])) or 'nothing'}" for role in reader.roles)
    print(f"{node} says what its rule says in {agrees:.4f} of prompts; {listed}")

# %% [markdown]
# # The label
#
# It is read from the last position, in the same way.

# %%
unembed, unembed_bias = FULL["unembed.W_U"].double().numpy(), FULL["unembed.b_U"].double().numpy()
final = {TOKEN: E, PLACE: constant(NODES, n_layers - 1, 1)} | {one: centres[one] for one in key}
final_values = {part: values_of(part, tokens, mixed)[:, LAST:] for part in final}
final_read = set(final)


def labels_of(read):
    return (summed(final, final_values, read) @ unembed + unembed_bias).argmax(-1)


all_read = labels_of(final_read)
for part in sorted(final, key=lambda part: (labels_of(final_read - {part}) != all_read).mean()):
    if (labels_of(final_read - {part}) != all_read).mean() <= TOLERATED:
        final_read.discard(part)
print("the label is read from", sorted(final_read))

# %% [markdown]
# # Rules
#
# What an MLP says is now written as a table over what it reads, and so is the label. What a head reads adds up to its
# scores and to what it takes from a place: it has a short vector for each value of each part, in the few directions
# that make a difference.

# %%
DIGITS = "0123456789ab"


def split_sum(vectors, values, read, extra):
    """The parts that are read, with a vector for each value, and the constant that all else comes to."""
    rest = {part: table for part, table in vectors.items() if part not in read}
    total = summed(rest, values, {PLACE} & read) + extra if rest else extra[None, None]
    kept = {part: vectors[part] for part in sorted(read)}
    if PLACE in kept:
        kept[PLACE] = kept[PLACE] + np.broadcast_to(total[0], (n_ctx, total.shape[-1]))
        return kept, np.zeros(total.shape[-1])
    return kept, total.reshape(-1, total.shape[-1]).mean(0)


def table_of(kept, constant, say):
    """What is said for every combination of values, as a string."""
    total = constant
    for axis, table in enumerate(kept.values()):
        shape = [1] * len(kept) + [table.shape[-1]]
        shape[axis] = len(table)
        total = total + table.reshape(shape)
    return "".join(DIGITS[one] for one in say(total.reshape(-1, total.shape[-1])))


def reduced(kept, constant, directions, digits=2):
    """Vectors in a few directions; the constant is part of what they begin with."""
    listed = {part: np.round(table @ directions, digits).tolist() for part, table in kept.items()}
    return listed, np.round(constant @ directions, digits).tolist()


def shared_directions(queries, keys):
    """Maps of queries and keys into the few directions in which they meet."""
    left, right = (np.concatenate([*kept.values(), constant[None]]) for kept, constant in (queries, keys))
    # singular vectors of the table of all scores, of which few are not zero
    u, sizes, v = np.linalg.svd(left @ right.T)
    rank = max(1, int((sizes > 0.01 * sizes[0]).sum()))
    return np.linalg.pinv(left) @ u[:, :rank] * sizes[:rank], np.linalg.pinv(right) @ v[:rank].T


rules = {}
for node in order:
    reader, read = readers[node], reads[node]
    mattering = {part: values_of(part, tokens, mixed) for part in reader.parts}
    if isinstance(reader, Mlp):
        zero = np.zeros(len(reader.into))
        shown = {part: row if node in spread else np.repeat(row[:, LAST:], n_ctx, 1) for part, row in mattering.items()}
        kept, constant_part = split_sum(reader.parts, shown, read["input"], zero)
        said = table_of(kept, constant_part, lambda x, reader=reader, node=node: snap(reader.of(x), centres[node]))
        rules[node] = [node in spread, {part: len(table) for part, table in kept.items()}, said]
        continue
    sums = {}
    for role in reader.roles:
        # at the end, queries are asked from the last position alone
        only = role == "query" and node not in spread
        shown = {part: np.repeat(row[:, LAST:], n_ctx, 1) if only else row for part, row in mattering.items()}
        sums[role] = split_sum(reader.vectors[role], shown, read[role], reader.biases[role])
    for_queries, for_keys = shared_directions(sums["query"], sums["key"])
    middle = centres[node].mean(0)
    axes_of_values = np.linalg.svd(centres[node] - middle, full_matrices=False)[2][: min(3, len(centres[node]) - 1)].T
    taken, begin = sums["value"]
    taken = {part: table @ reader.out for part, table in taken.items()}
    rules[node] = [
        node in spread,
        reduced(*sums["query"], for_queries / np.sqrt(reader.out.shape[0])),
        reduced(*sums["key"], for_keys),
        reduced(taken, begin @ reader.out - middle, axes_of_values),
        np.round((centres[node] - middle) @ axes_of_values, 2).tolist(),
    ]
shown = {part: np.repeat(row, n_ctx, 1) for part, row in final_values.items()}
kept, constant_part = split_sum(final, shown, final_read, np.zeros(P.shape[1]))
said = table_of(kept, constant_part, lambda x: (x @ unembed + unembed_bias).argmax(-1))
rules["label"] = [False, {part: len(table) for part, table in kept.items()}, said]

CODE = """import numpy as np

N = {n_ctx}
RULES = {rules}
MASK = np.triu(np.full((N, N), -np.inf), 1)


def values(part, said, tokens):
    return tokens if part == "token" else np.arange(N) if part == "place" else said[part]


def summed(rule, said, tokens):
    vectors, total = rule[0], np.array(rule[1])[None]
    for part, table in vectors.items():
        total = total + np.array(table)[values(part, said, tokens)]
    return np.broadcast_to(total, (N, total.shape[-1]))


def said_by(rule, said, tokens):
    everywhere = rule[0]
    if len(rule) == 3:
        index = np.zeros(N, dtype=int)
        for part, size in rule[1].items():
            index = index * size + values(part, said, tokens)
        return np.array([int(rule[2][one], 16) for one in index])
    query, key, taken = (summed(one, said, tokens) for one in rule[1:4])
    scores = query @ key.T + MASK
    attention = np.exp(scores - scores.max(-1, keepdims=True))
    out = attention / attention.sum(-1, keepdims=True) @ taken
    near = ((out[:, None] - np.array(rule[4])) ** 2).sum(-1).argmin(-1)
    return near if everywhere else np.repeat(near[-1], N)


def run(prompt, known):
    tokens, said = np.array(prompt), {{}}
    for node, rule in RULES.items():
        said[node] = known[node] if node in known else said_by(rule, said, tokens)
    return said


def predict(base, source, patched):
    there = run(source, {{}})
    return int(run(base, {{node: there[node] for node in patched if node in RULES}})["label"][-1])
"""
code = CODE.format(n_ctx=n_ctx, rules=repr(rules).replace(", ", ",").replace(": ", ":"))
print(f"{len(code):,} characters")

# %% [markdown]
# # Is it right?
#
# On fresh triples, against the model: how often the label is predicted where the patch changes it, and where not.

# %%
space = {}
exec(code, space)
TRIALS = 40
hits = {True: [], False: []}
for trial in range(TRIALS):
    drawn = [1, 2, int(rng.integers(3, max(4, len(key) // 2 + 1)))][trial % 3]
    nodes = list(rng.choice(key, drawn, replace=False))
    if trial % 2:
        nodes += list(rng.choice(others, int(rng.integers(1, len(others))), replace=False))
    one, two = generate(25, 100 + trial), generate(25, 500 + trial)
    truth = patched_labels(one, cached(two), nodes).tolist()
    unpatched = model(one)[:, -1].argmax(-1).tolist()
    for row, label in enumerate(truth):
        predicted = space["predict"](one[row].tolist(), two[row].tolist(), nodes)
        hits[label != unpatched[row]].append(predicted == label)
right = {"changed": np.mean(hits[True]), "unchanged": np.mean(hits[False])}
print(f"right: {right['changed']:.4f} of changed labels, {right['unchanged']:.4f} of the others")

# %%
answer = {
    "code": code,
    "confidence": 0.95 if min(right.values()) > 0.95 else 0.3,
    "summary": (
        f"{len(key)} nodes change the label when they are patched alone: {', '.join(key)}. What they write falls into "
        f"a few clusters. Tables over what each of them reads, enumerated from its weights, predict "
        f"{right['changed']:.3f} of the labels that patches change and {right['unchanged']:.3f} of the others, on "
        f"{TRIALS * 25:,} fresh triples."
    ),
}
