"""Reference solution of circuits/mechanism in a laboratory: rules explain what nodes put out, however noisy it is."""

# %% [markdown]
# # Which node says the label?
#
# One of the MLPs: where it is patched, the label is that of the other prompt. Labels are drawn, so agreement is never
# full.

# %%
import itertools

import matplotlib.pyplot as plt
import numpy as np

rng = np.random.default_rng(0)
n_layers, n_heads, n_ctx = lab.shape["n_layers"], lab.shape["n_heads"], prompts.shape[1]
LAST, BUDGET, NOISE = n_ctx - 1, lab.budget.total, lab.terms["read_noise"]
N_LABELS = len(label_names)


def price_of(sites, patched=False):
    """What a prompt costs."""
    return 1 + patched + max(0, -(-(sites - 4) // 4))


PAIRS = 16
tests = generate(2 * PAIRS, 7)
plain, other = lab.run(tests[:PAIRS]), lab.run(tests[PAIRS:])
for layer in reversed(range(n_layers)):
    speaker = f"m{layer}"
    run = lab.run(tests[:PAIRS], patch=[lab.interchange(speaker, other)])
    taken, kept = ((run.outputs == one.outputs).float().mean().item() for one in (other, plain))
    print(f"{speaker}: as on the other prompts {taken:.2f}, as without patch {kept:.2f}")
    if taken > kept:
        break
else:
    speaker = f"m{n_layers - 1}"
HEADS = [f"a{layer}.h{head}" for layer in range(int(speaker[1:]) + 1) for head in range(n_heads)]


def order_of(node):
    layer, _, head = node[1:].partition(".h")
    return int(layer), node[0] == "m", head


nodes = sorted([*HEADS, *(f"m{layer}" for layer in range(int(speaker[1:])))], key=order_of)
print(f"{speaker} says the label; {len(nodes)} nodes before it; {lab.budget}")

# %% [markdown]
# # What nodes put out on plain prompts
#
# One reading says little. The mean of many that have something in common says much, so a rule can be judged by how much
# of the variance it explains, beyond what it would explain of noise. Nothing has to be decoded for that.

# %%
KEPT_BACK = 0.12  # share for entries that are never seen, and for a check
n_plain = int(0.45 * BUDGET // price_of(len(nodes)))
drawn = generate(n_plain, 11)
there = lab.run(drawn, read=nodes)
reads = {node: there[node].numpy() for node in nodes}
tokens, labels = drawn.numpy(), there.outputs.numpy()
origin = {node: np.full(n_plain, -1) for node in [*nodes, speaker]}


def noise_at(node):
    """Deviation of noise at a node: a share of the size of its block, which is all heads of a layer, or an MLP."""
    layer, is_mlp, _ = order_of(node)
    block = [np.square(reads[one]).mean() for one in nodes if order_of(one)[:2] == (layer, is_mlp)]
    return NOISE * np.sqrt(np.mean(block) / (1 + NOISE**2))


noise_of = {node: noise_at(node) for node in nodes}
print(f"{n_plain} plain prompts; {lab.budget}")

# %% [markdown]
# # Rules
#
# MLPs are tables over what nodes before them say at the same place. Heads take what is said at one place: a fixed one;
# the last one where another node says a certain thing; one that another node's value stands for; one or two before.
# A node that can be explained at all places says something at all of them; of others only the last place counts.

# %%
MOST_VALUES, MOST_KEYS = 6, 64
ROUNDS = (0.45, 3.5, 0.45), (1.0, 6.5, 0.36)  # of mixed prompts: share of what is left, how clear nodes are, how many
CLEAR = 5.0  # how many deviations of chance what a rule explains must be above chance
WIDE = 0.6  # share of the variance that a rule for all places explains
SURE = 12.0  # from here on
FEE = 2.5  # for the choice among many rules, in deviations


def one_hot(keys, n_keys):
    return (keys[:, None] == np.arange(n_keys)).astype(np.float32)


def explained(keys, n_keys, vectors, noise):
    """Sum of squares that the means of keys explain, less what they explain of noise; chance's deviation of that.

    The mean of all vectors is taken to be zero.
    """
    members = one_hot(keys, n_keys)
    counts = members.sum(0)
    known = counts > 0
    found = float((((members.T @ vectors)[known] ** 2).sum(1) / counts[known]).sum())
    freedom = max(int(known.sum()) - 1, 1) * vectors.shape[1]
    return found - freedom * noise**2, noise**2 * np.sqrt(2 * freedom)


def joined(columns, sizes):
    key = np.zeros_like(columns[0])
    for column, one in zip(columns, sizes, strict=True):
        key = key * one + column
    return key


def k_means(points, weights, k):
    """Centres of weighted points, from the best of some beginnings."""
    best = None
    for _ in range(8):
        centres = points[rng.choice(len(points), 1, p=weights / weights.sum())]
        while len(centres) < k:  # far from those that are there
            gap = ((points[:, None] - centres[None]) ** 2).sum(-1).min(1) * weights + 1e-12
            centres = np.concatenate([centres, points[rng.choice(len(points), 1, p=gap / gap.sum())]])
        for _ in range(12):
            said = distances(points, centres).argmin(1)
            centres = np.array(
                [
                    np.average(points[said == c], 0, weights[said == c]) if (said == c).any() else centres[c]
                    for c in range(k)
                ]
            )
        error = weights @ distances(points, centres).min(1)
        if best is None or error < best[0]:
            best = error, centres
    return best


def distances(points, centres):
    return ((points[..., None, :] - centres) ** 2).sum(-1)


class Theory:
    """Rules for some nodes, from all readings so far.

    value: what each node says in each prompt, at all places or at the end; where it was patched, what it said there.
    view: directions in which what a node says shows, the middle, and the centre of each value.
    """

    def __init__(self, nodes):
        self.nodes = nodes
        self.free = {node: origin[node] < 0 for node in [*nodes, speaker]}
        self.value, self.size, self.wide = {}, {"token": len(token_names)}, set()
        self.rules, self.tables, self.share, self.clear, self.view = {}, {}, {}, {}, {}
        self.noise = noise_of
        for node in nodes:
            self.explain(node)

    # --- what rules say ---

    def everywhere(self, name):
        return tokens if name == "token" else self.value[name]

    def at_end(self, name):
        return self.everywhere(name)[:, LAST] if name == "token" or name in self.wide else self.value[name]

    def key_of(self, rule):
        """What a rule looks up, in all prompts: one number for each, or one for each place."""
        kind, *numbers = rule
        if kind == "table":
            names, is_wide = numbers
            read = self.everywhere if is_wide else self.at_end
            return joined([read(name) for name in names], [self.size[name] for name in names])
        content = self.everywhere(numbers[-1])
        if kind == "back":
            return content[:, np.maximum(np.arange(n_ctx) - numbers[0], 0)]
        if kind == "at":
            return content[:, numbers[0]]
        if kind == "latest":
            there = self.everywhere(numbers[0]) == numbers[1]
            place = np.where(there.any(1), LAST - there[:, ::-1].argmax(1), LAST)
        else:
            place = np.array(numbers[1])[self.at_end(numbers[0])]
        return content[np.arange(len(tokens)), place]

    def n_keys(self, rule):
        kind, *numbers = rule
        return int(np.prod([self.size[n] for n in numbers[0]])) if kind == "table" else self.size[numbers[-1]]

    def before(self, node):
        layer, is_mlp, _ = order_of(node)
        return [one for one in self.value if order_of(one)[:2] < (layer, is_mlp and order_of(one)[0] == layer)]

    # --- which rules there are ---

    def wide_rules(self, node):
        known = ["token", *(one for one in self.before(node) if one in self.wide)]
        if node[0] == "m":
            for count in (1, 2):
                for names in itertools.combinations(known, count):
                    yield "table", names, True
        else:
            yield from (("back", by, content) for by in (1, 2) for content in known)

    def end_rules(self, node, judge, slots_for):
        before = self.before(node)
        known = ["token", *(one for one in before if one in self.wide)]
        if node[0] == "m":
            yield from self.table_rules([one for one in before if one not in self.wide], judge)
            return
        for content in known:
            yield from (("at", place, content) for place in range(n_ctx))
            for seeker in known[1:]:
                yield from (("latest", seeker, wanted, content) for wanted in range(self.size[seeker]))
            for pointer in before:
                if pointer not in self.wide and self.size[pointer] > 1:
                    yield "pointed", pointer, slots_for(pointer, content), content

    def table_rules(self, ends, judge):
        """Tables of one or two inputs, and the best of them with another one."""
        found = {(name,) for name in ends} | set(itertools.combinations(ends, 2))
        for _ in range(2):
            rules = [("table", names, False) for names in found]
            rules = sorted((rule for rule in rules if self.n_keys(rule) <= MOST_KEYS), key=judge, reverse=True)
            yield from rules
            wider = {tuple(sorted({*rule[1], one}, key=ends.index)) for rule in rules[:15] for one in ends}
            found = {names for names in wider if len(names) == 3}

    # --- judging them by variance ---

    def slots_by_variance(self, pointer, content, rows, vectors, noise):
        """For each value of a pointer the place whose content explains most."""
        pointed, values, slots = self.at_end(pointer)[rows], self.everywhere(content)[rows], []
        for one in range(self.size[pointer]):
            here = pointed == one
            sums = [explained(values[here, p], self.size[content], vectors[here], noise)[0] for p in range(n_ctx)]
            slots.append(int(np.argmax(sums)) if here.sum() > 2 else 0)
        return tuple(slots)

    def judged(self, rules, rows, vectors, noise):
        """The best rule, the share of the variance that it explains, and how clear that is."""
        signal = (vectors**2).sum() - vectors.size * noise**2

        def judge(rule):
            keys = self.key_of(rule)[rows].ravel()
            found, deviation = explained(keys, self.n_keys(rule), vectors, noise)
            fee = FEE * deviation
            if rule[0] == "pointed":  # each slot is the best of many
                fee += 1.8 * len(rule[2]) * deviation
            return found - fee, (found - fee) / deviation + FEE, found / signal

        cached = {}

        def value(rule):
            if rule not in cached:
                cached[rule] = judge(rule)
            return cached[rule][0]

        found = list(dict.fromkeys(rules(value)))
        if not found:
            return None, 0.0, 0.0
        best = max(found, key=value)
        if cached[best][1] > SURE:
            return best, cached[best][2], cached[best][1]
        # few values lie in few directions, and what is in one direction stands out sooner than all together
        likely = sorted(found, key=value, reverse=True)[:12]
        stands_out = {rule: self.stands_out(rule, rows, vectors, noise) for rule in likely}
        best = max(likely, key=stands_out.get)
        return best, cached[best][2], stands_out[best]

    def stands_out(self, rule, rows, vectors, noise):
        """How far the largest direction of a rule's means is above chance, in deviations of chance (Tracy-Widom)."""
        members = one_hot(self.key_of(rule)[rows].ravel(), self.n_keys(rule))
        counts = members.sum(0)
        means = (members.T @ vectors)[counts > 0] / np.sqrt(counts[counts > 0])[:, None]
        sides = np.sqrt(max(len(means) - 1, 1)), np.sqrt(vectors.shape[1])
        largest = np.linalg.norm(means, 2) ** 2 / noise**2
        scale = sum(sides) * sum(1 / side for side in sides) ** (1 / 3)
        fee = 1.5 * len(rule[2]) if rule[0] == "pointed" else 0.0
        return (largest - sum(sides) ** 2) / scale - fee

    # --- values ---

    def values_by(self, keys, n_keys, vectors, noise):
        """Directions in which means of keys differ, and the centres of groups of them there."""
        members = one_hot(keys, n_keys)
        weights = members.sum(0)
        known = weights > 0
        means, weights = (members.T @ vectors)[known] / weights[known, None], weights[known]
        middle = weights @ means / weights.sum()
        _, sizes, axes = np.linalg.svd((means - middle) * np.sqrt(weights)[:, None], full_matrices=False)
        edge = noise * (np.sqrt(len(means)) + np.sqrt(vectors.shape[1]))
        kept = (sizes > edge) & (sizes**2 - edge**2 / 2 > 0.2 * (sizes[0] ** 2 - edge**2 / 2))
        kept[0] = True
        axes = axes[kept][: MOST_VALUES - 1]
        points = (means - middle) @ axes.T
        total, best = weights @ (points**2).sum(1), None
        for k in range(2, min(MOST_VALUES, len(points)) + 1):
            error, centres = k_means(points, weights, k)
            # another group must explain more than it does of noise, and of what else the node puts out
            if best is not None and best[0] - error < max(12 * noise**2 * len(axes), 0.08 * total):
                break
            best = error, centres
        return axes, middle, best[1]

    def evidence(self, node):
        """Log-probability of each value, less that of the best, in each prompt (and place)."""
        axes, middle, centres = self.view[node]
        shown = reads[node] if node in self.wide else reads[node][:, LAST]
        far = distances((shown - middle) @ axes.T, centres) / (2 * self.noise[node] ** 2)
        return np.maximum(far.min(-1, keepdims=True) - far, -8.0)

    # --- judging rules by evidence ---

    def slots_by_evidence(self, pointer, content, rows, evidence):
        """The place for each value of a pointer that makes what is said a function of the content there."""
        pointed, values = one_hot(self.at_end(pointer)[rows], self.size[pointer]), self.everywhere(content)[rows]
        sums = np.stack(
            [
                np.einsum("np,nc,nv->pcv", pointed, one_hot(values[:, p], self.size[content]), evidence, optimize=True)
                for p in range(n_ctx)
            ],
            1,
        )  # pointer, place, content, value
        slots = sums.max(-1).sum(-1).argmax(1)
        for _ in range(4):
            table = sums[np.arange(len(slots)), slots].sum(0).argmax(-1)
            slots = sums[:, :, np.arange(self.size[content]), table].sum(-1).argmax(1)
        return tuple(slots.tolist())

    def bits(self, rule, rows, evidence):
        """Length of a description of what is said by a rule."""
        sums = one_hot(self.key_of(rule)[rows].ravel(), self.n_keys(rule)).T @ evidence.reshape(-1, evidence.shape[-1])
        known = (sums < 0).any(1)
        length = -sums[known].max(1).sum() / np.log(2) + np.log2(evidence.shape[-1]) * known.sum()
        return length + (
            4.0 * len(rule[2]) if rule[0] == "pointed" else 2.0 * len(rule[1]) if rule[0] == "table" else 4.0
        )

    def shortest(self, node, evidence):
        """The rule by which what is said has the shortest description."""
        rows = np.flatnonzero(self.free[node])
        shown = evidence[rows]
        cached = {}

        def judge(rule):
            if rule not in cached:
                cached[rule] = -self.bits(rule, rows, shown)
            return cached[rule]

        if node in self.wide:
            return max(self.wide_rules(node), key=judge)

        def slots(pointer, content):
            return self.slots_by_evidence(pointer, content, rows, shown)

        return max(self.end_rules(node, judge, slots), key=judge)

    def settle(self, node, rule, evidence):
        """Keep a rule, its table, and what the node says by it."""
        rows, keys = self.free[node], self.key_of(rule)
        sums = one_hot(keys[rows].ravel(), self.n_keys(rule)).T @ evidence[rows].reshape(-1, evidence.shape[-1])
        table = np.where((sums < 0).any(1), sums.argmax(1), -1)
        self.rules[node], self.tables[node], self.size[node] = rule, table, evidence.shape[-1]
        said = np.where(table[keys] >= 0, table[keys], evidence.argmax(-1))
        patched = np.flatnonzero(~rows)
        said[patched] = said[origin[node][patched]]
        self.value[node] = said

    def explain(self, node):
        rows, noise, vectors = np.flatnonzero(self.free[node]), self.noise[node], reads[node]
        flat = vectors[rows].reshape(-1, vectors.shape[-1])
        rule, share, clear = self.judged(lambda _: self.wide_rules(node), rows, flat - flat.mean(0), noise)
        if rule is not None and share > WIDE:
            self.wide.add(node)
        else:
            flat = vectors[rows, LAST]
            flat = flat - flat.mean(0)

            def slots(pointer, content):
                return self.slots_by_variance(pointer, content, rows, flat, noise)

            rule, share, clear = self.judged(lambda judge: self.end_rules(node, judge, slots), rows, flat, noise)
        self.clear[node] = clear
        if rule is None or clear < CLEAR:
            return
        self.share[node] = share
        shown = vectors if node in self.wide else vectors[:, LAST]
        self.view[node] = self.values_by(
            self.key_of(rule)[rows].ravel(), self.n_keys(rule), shown[rows].reshape(-1, shown.shape[-1]), noise
        )
        for _ in range(2):  # rules say which readings are of one value, and so where its centre is
            evidence = self.evidence(node)
            rule = self.shortest(node, evidence)
            self.settle(node, rule, evidence)
            axes, middle, centres = self.view[node]
            points, said = (shown[rows] - middle) @ axes.T, self.value[node][rows]
            centres = [points[said == c].mean(0) if (said == c).any() else centres[c] for c in range(len(centres))]
            self.view[node] = axes, middle, np.array(centres)

    # --- the label ---

    def explain_label(self, luck):
        evidence = np.where(one_hot(labels, N_LABELS) > 0, 0.0, np.log((1 - luck) / (N_LABELS - 1) / luck))
        rule = self.shortest(speaker, evidence)
        self.settle(speaker, rule, evidence)

    def needed(self):
        """Nodes that the label comes from."""
        found, waiting = set(), [speaker]
        while waiting:
            node = waiting.pop()
            if node not in found:
                found.add(node)
                parts = [
                    part for field in self.rules[node] for part in (field if isinstance(field, tuple) else (field,))
                ]
                waiting += [part for part in parts if part in self.rules]
        return [node for node in [*self.nodes, speaker] if node in found]


LUCK = 0.85  # probability of the likeliest label, about
theory = Theory(nodes)
theory.explain_label(LUCK)
for node in theory.rules:
    if node != speaker:
        wide = " everywhere" if node in theory.wide else ""
        print(f"{node}{wide}: {theory.rules[node]}, {theory.size[node]} values, {theory.clear[node]:.1f} above chance")
print(f"the label comes from {theory.needed()}")

# %% [markdown]
# # Taking apart what goes together
#
# In more prompts some nodes, drawn at random, say what they say on plain ones. What is seldom said is taken as often as
# the rest. First all nodes are read that may have a rule; then those that have one, and what the label comes from.

# %%
PATCHED, PER_RUN = 0.3, 4


def mix(kept, seed):
    """Prompts in which some nodes say what they say on plain ones."""
    drawn = generate(PER_RUN, seed)
    sources = {}
    for node in kept:
        if node in theory.rules and rng.random() < PATCHED:
            said = theory.at_end(node)[:n_plain]
            evenly = 1 / np.bincount(said)[said] / len(np.unique(said))
            sources[node] = rng.choice(n_plain, PER_RUN, p=evenly)
    patches = [lab.interchange(node, there, prompt=rows.tolist()) for node, rows in sources.items()]
    run = lab.run(drawn, read=kept, patch=patches)
    new_origin = {node: sources.get(node, np.full(PER_RUN, -1)) for node in [*kept, speaker]}
    return drawn.numpy(), run.outputs.numpy(), {node: run[node].numpy() for node in kept}, new_origin


def promising(least, most):
    """Nodes that have a rule, or may have one, in their order."""
    needed = theory.needed()
    ranked = sorted(theory.clear, key=theory.clear.get, reverse=True)
    kept = [node for node in ranked if theory.clear[node] > least or node in needed][:most]
    return [node for node in nodes if node in kept and node != speaker]


for share, least, most in ROUNDS:
    kept = promising(least, int(most * len(nodes)))
    n_runs = int(share * (lab.budget.left - KEPT_BACK * BUDGET) // (PER_RUN * price_of(len(kept), patched=True)))
    mixed = [mix(kept, 10_000 + len(tokens) + PER_RUN * number) for number in range(n_runs)]
    tokens = np.concatenate([tokens, *(one[0] for one in mixed)])
    labels = np.concatenate([labels, *(one[1] for one in mixed)])
    reads = {node: np.concatenate([reads[node], *(one[2][node] for one in mixed)]) for node in kept}
    origin = {node: np.concatenate([origin[node], *(one[3][node] for one in mixed)]) for node in [*kept, speaker]}
    theory = Theory(kept)
    theory.explain_label(LUCK)
    needed = theory.needed()
    print(f"{len(kept)} nodes read in {PER_RUN * n_runs} mixed prompts; {len(needed)} matter; {lab.budget}")
for node in theory.rules:
    if node != speaker:
        wide = " everywhere" if node in theory.wide else ""
        print(f"{node}{wide}: {theory.rules[node]}, {theory.size[node]} values, {theory.clear[node]:.1f} above chance")
figure, axis = plt.subplots(figsize=(11, 3))
axis.bar(list(theory.clear), list(theory.clear.values()))
axis.set(title="how clear the rule of each node is, in deviations of chance", yscale="log")
axis.tick_params(axis="x", rotation=90, labelsize=7)
plt.show()
print(f"the label comes from {len(needed)} nodes: {needed}")

# %% [markdown]
# # Entries that were never seen
#
# Some entries of tables at the end did not occur. They are made: every input says what is wanted, taken from plain
# prompts on which it says that. Labels are drawn, so entries of the last table are made more than once.

# %%
missing = []
for node in needed:
    kind, *numbers = theory.rules[node]
    if kind != "table" or numbers[1] or "token" in numbers[0]:
        continue
    sizes = [theory.size[name] for name in numbers[0]]
    counts = np.bincount(theory.key_of(theory.rules[node])[theory.free[node]], minlength=int(np.prod(sizes)))
    wanted_count = 3 if node == speaker else 1
    for key, count in enumerate(counts):
        wanted = np.unravel_index(key, sizes)
        rows = [
            np.flatnonzero(theory.at_end(name)[:n_plain] == one) for name, one in zip(numbers[0], wanted, strict=True)
        ]
        if all(len(one) for one in rows):
            missing += [
                (count + made, node, key, [int(rng.choice(one)) for one in rows])
                for made in range(wanted_count - count)
            ]
missing.sort(key=lambda one: one[0])
CHECKED = int(0.04 * BUDGET) // 12 * 4  # pairs for a check
made = missing[: max(0, (lab.budget.left - 3 * CHECKED) // 2)]
extra = {}
for node in {one[1] for one in made}:
    asked = [one[2:] for one in made if one[1] == node]
    names = theory.rules[node][1]
    patches = [lab.interchange(name, there, [rows[i] for _, rows in asked]) for i, name in enumerate(names)]
    run = lab.run(generate(len(asked), 77), read=[] if node == speaker else [node], patch=patches)
    if node == speaker:
        found = np.where(one_hot(run.outputs.numpy(), N_LABELS) > 0, 0.0, np.log((1 - LUCK) / (N_LABELS - 1) / LUCK))
    else:
        axes, middle, centres = theory.view[node]
        far = distances((run[node].numpy()[:, LAST] - middle) @ axes.T, centres) / (2 * theory.noise[node] ** 2)
        found = np.maximum(far.min(-1, keepdims=True) - far, -8.0)
    extra[node] = np.array([key for key, _ in asked]), found


def by_classes(sums):
    """A table of tokens and another node's values, in which tokens of one class have the same entries."""
    n_tokens, n_others, n_values = sums.shape
    best = None
    for n_classes in range(1, 5):
        for _ in range(20):
            table = rng.integers(n_values, size=(n_classes, n_others))
            for _ in range(15):
                fits = sums[:, np.arange(n_others), table].sum(-1)  # token, class
                member = fits.argmax(1)
                table = np.array([sums[member == one].sum(0).argmax(-1) for one in range(n_classes)])
            length = -fits.max(1).sum() / np.log(2) + table.size * np.log2(n_values) + n_tokens * np.log2(n_classes)
            if best is None or length < best[0]:
                best = length, table[member].ravel()
    return best[1]


for node in needed:
    rows = theory.free[node]
    keys = theory.key_of(theory.rules[node])[rows].ravel()
    if node == speaker:
        shown = np.where(one_hot(labels, N_LABELS) > 0, 0.0, np.log((1 - LUCK) / (N_LABELS - 1) / LUCK))[rows]
    else:
        shown = theory.evidence(node)[rows]
    shown = shown.reshape(-1, shown.shape[-1])
    if node in extra:
        keys, shown = np.concatenate([keys, extra[node][0]]), np.concatenate([shown, extra[node][1]])
    sums = one_hot(keys, theory.n_keys(theory.rules[node])).T @ shown
    kind, *numbers = theory.rules[node]
    if kind == "table" and len(numbers[0]) == 2 and "token" in numbers[0]:
        theory.tables[node] = by_classes(sums.reshape(len(token_names), -1, sums.shape[-1]))
    else:
        theory.tables[node] = np.where((sums < 0).any(1), sums.argmax(1), shown.sum(0).argmax())  # else a guess
print(f"{len(made)} of {len(missing)} missing entries were made; {lab.budget}")

# %%
CODE = """N = {n_ctx}
SIZES = {sizes}
# node: whether it says something everywhere, its rule, and what it says for each key
RULES = {rules}
SPEAKER = {speaker!r}


def say(rule, table, is_wide, said, tokens):
    kind = rule[0]

    def everywhere(name):
        return tokens if name == "token" else said[name]

    def at_end(name):
        one = everywhere(name)
        return one[-1] if isinstance(one, list) else one

    if kind == "table":
        sizes = [SIZES[name] for name in rule[1]]

        def entry(values):
            key = 0
            for one, size in zip(values, sizes):
                key = key * size + one
            return table[key]

        if is_wide:
            return [entry(values) for values in zip(*(everywhere(name) for name in rule[1]))]
        return entry([at_end(name) for name in rule[1]])
    if kind == "back":
        content = everywhere(rule[2])
        return [table[content[max(place - rule[1], 0)]] for place in range(N)]
    if kind == "at":
        place = rule[1]
    elif kind == "latest":
        place = max([place for place in range(N) if everywhere(rule[1])[place] == rule[2]], default=N - 1)
    else:
        place = rule[2][at_end(rule[1])]
    return table[everywhere(rule[-1])[place]]


def run(tokens, known):
    said = {{}}
    for node, (is_wide, rule, table) in RULES.items():
        said[node] = known[node] if node in known else say(rule, table, is_wide, said, tokens)
    return said


def predict(base, source, patched):
    there = run(source, {{}})
    return run(base, {{node: there[node] for node in patched if node in RULES}})[SPEAKER]
"""
code = CODE.format(
    n_ctx=n_ctx,
    sizes=theory.size,
    rules={node: (node in theory.wide, theory.rules[node], theory.tables[node].tolist()) for node in needed},
    speaker=speaker,
)
print(f"{len(code):,} characters")

# %% [markdown]
# # Is it right?
#
# On fresh pairs of prompts with random sets of the nodes patched.

# %%
space = {}
exec(code, space)
hits, per_run = [], 4
while lab.budget.left >= 3 * per_run:
    base, source = generate(per_run, 5000 + len(hits)), generate(per_run, 7000 + len(hits))
    patched = [str(one) for one in rng.choice(needed, min(len(needed), rng.integers(1, 4)), replace=False)]
    other = lab.run(source)
    run = lab.run(base, patch=[lab.interchange(node, other) for node in patched])
    pairs = zip(base.tolist(), source.tolist(), strict=True)
    predicted = [space["predict"](one, two, patched) for one, two in pairs]
    hits += (np.array(predicted) == run.outputs.numpy()).tolist()
matched = float(np.mean(hits)) if hits else 0.0
print(f"{sum(hits)} of {len(hits)} labels of patched prompts are predicted; {lab.budget}")

# %%
answer = {
    "code": code,
    "confidence": round(float(np.clip(2 * matched - 0.8, 0.03, 0.95)), 2),
    "summary": (
        f"Rules over what earlier nodes say explain what {len(theory.rules) - 1} nodes put out, and the label comes "
        f"from {len(needed)} nodes: {', '.join(needed)}. They predict {sum(hits)} of {len(hits)} labels, which are "
        f"drawn, of fresh patched prompts."
    ),
}
