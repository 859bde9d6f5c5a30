"""Shared cells that predict a real neuron from the strings of the last tokens, and write the prediction down as code.

They need `vocabulary` and torch. They leave `Strings` (features of texts), `SPELLED` (their names), `strata_weights`,
`best_list`, `best_mixture` (how to fit a neuron), `fitted` and `code_of`.
"""

# %% [markdown]
# ## What a neuron could depend on
#
# The current token and the three before it: which they are, which words, how they end, what they look like. The words
# of a window before them, whatever their order. And what the current token and the one before are together.

# %%
import zlib
from collections import Counter

import numpy as np

FEATURES = """
def shape_of(string):
    bare = string.strip()
    if not bare:
        kind = "blank"
    elif bare[0].isdigit():
        kind = "digit"
    elif bare[0].isalpha():
        kind = "capitals" if bare.isupper() and len(bare) > 1 else "capital" if bare[0].isupper() else "lower"
    else:
        kind = bare[0]
    return ("_" if string[:1] == " " else "") + kind + str(min(len(bare), 8))


def described(string):
    word = string.strip().lower()
    return "t" + string, "w" + word, "e" + (word[-3:] if len(word) > 4 else word[-2:] + "$"), "s" + shape_of(string)


def features(row, at):
    found = []
    for place in range(4):
        found += [str(place) + one for one in (described(row[at - place]) if at >= place else "twes")]
    found += ["W" + (row[at - place].strip().lower() if at >= place else "") for place in range(4, 10)]
    found.append("P" + str(min(at.bit_length(), 5)))
    here, before = described(row[at]), described(row[at - 1])
    return found + [here[a] + "|" + before[b] for a, b in ((1, 1), (2, 2), (1, 3), (3, 1), (3, 3))]
"""
exec(FEATURES)


SIZE = 1 << 20
SPELLED = {}  # number -> a feature's name


def number_of(name):
    """A feature's number, by which the answer knows it: names would take too much room."""
    return zlib.crc32(name.encode()) % SIZE


class Strings:
    """Features of every position of texts, by their numbers; position 0 is left out."""

    def __init__(self, texts):
        # text by text, as lists of token ids, of any length
        self.features = []
        for row in texts:
            strings = [vocabulary[t] for t in row]
            names = [features(strings, at) for at in range(1, len(row))]
            self.features.append([[number_of(one) for one in some] for some in names])
            SPELLED.update((number_of(one), one) for some in names for one in some)
        self.ids = [np.asarray(row[1:]) for row in texts]

    def some(self, chosen):
        """The same for some of the texts."""
        part = Strings([])
        part.features, part.ids = [self.features[i] for i in chosen], [self.ids[i] for i in chosen]
        return part

    def all_ids(self):
        """Int[position]: the tokens of all positions."""
        return np.concatenate(self.ids)

    def known(self, fewest=3):
        """Features that are seen often enough, and how often."""
        counts = Counter(one for text in self.features for some in text for one in some)
        return {one: count for one, count in sorted(counts.items()) if count >= fewest}

    def numbers(self, order):
        """Int[position, slot]: places in `order`, from 1 on; 0 for what is not in it."""
        place = {one: number for number, one in enumerate(order, 1)}
        return np.array([[place.get(one, 0) for one in some] for text in self.features for some in text])


def strata_weights(tokens_there, fires):
    """The weights of the score: where it fires, where it does not though the token is the same, elsewhere."""
    size = len(vocabulary)
    seen = np.bincount(tokens_there[fires], minlength=size)
    near = ~fires & (seen[tokens_there] > 0)
    each = seen / np.maximum(np.bincount(tokens_there[near], minlength=size), 1)
    weights = np.zeros(len(fires))
    for here, size_of in ((fires, 1.0), (near, each[tokens_there]), (~fires & ~near, 1.0)):
        part = here * size_of
        weights += part / max(part.sum(), 1e-9)
    return weights / weights.sum()


def correlation(x, y, weights):
    """Weighted Pearson correlation."""
    dx, dy = x - weights @ x, y - weights @ y
    return float(weights @ (dx * dy) / np.sqrt(max((weights @ dx**2) * (weights @ dy**2), 1e-30)))


def best_list(ids, y, weights, other_ids, other_y, other_weights):
    """What a list for the current token reaches on other texts."""
    seen = np.bincount(ids, weights, len(vocabulary))
    table = (np.bincount(ids, weights * y, len(vocabulary)) + 1e-4 * (weights @ y)) / (seen + 1e-4)
    return correlation(table[other_ids], other_y, other_weights)


# %% [markdown]
# ## A number for every feature
#
# Positions where it fires are few and weigh much; with the full weight of the score a fit learns them by heart, so
# weights are flattened. Two fits make different errors: a ridge regression, and gradient descent with three in ten
# features left out at a time. Each adds up numbers, so any mixture of them does too, and texts that a fit has not seen
# say which is best for a neuron.


# %%
def by_ridge(numbers, y, weights, n_features, penalty=100.0):
    """What each feature adds, Float[feature], by conjugate gradients on the weighted squared error."""
    share = weights**0.8
    share = share / share.mean()

    def back(values):
        found = np.bincount(numbers.ravel(), np.repeat(values, numbers.shape[1]), n_features + 1)
        found[0] = 0  # what is not in the list of features
        return found

    scale, table = back(share) + penalty, np.zeros(n_features + 1)
    residual = back(share * (y - np.average(y, weights=share)))
    direction = solved = residual / scale
    size = first = residual @ solved
    for _ in range(60):
        if size <= 1e-6 * first:
            break
        image = back(share * direction[numbers].sum(1)) + penalty * direction
        step = size / (direction @ image)
        table, residual = table + step * direction, residual - step * image
        solved = residual / scale
        before, size = size, residual @ solved
        direction = solved + size / before * direction
    return table


def by_gradients(numbers, y, weights, n_features, epochs=5, batch=256, decay=10.0, kept_share=0.7):
    """The same by stochastic gradient descent, with dropout of features."""
    generator = torch.Generator().manual_seed(0)
    share = weights**0.6
    share = torch.from_numpy(share / share.mean()).float()
    scale = float(np.sqrt(np.average(y**2, weights=share.numpy()))) + 1e-9
    rows, right = torch.from_numpy(numbers), torch.from_numpy(y / scale).float()
    table, bias = torch.zeros(n_features + 1, requires_grad=True), torch.zeros(1, requires_grad=True)
    optimiser = torch.optim.Adam([table, bias], lr=0.01)
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.05, epochs * -(-len(rows) // batch))
    for _ in range(epochs):
        for chosen in torch.randperm(len(rows), generator=generator).split(batch):
            kept = (torch.rand(rows[chosen].shape, generator=generator) < kept_share) & (rows[chosen] > 0)
            each = table[rows[chosen]]
            said = (each * (kept / kept_share)).sum(1) + bias
            loss = (share[chosen] * (said - right[chosen]).square()).mean() + decay * each.square().mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    found = table.detach().double().numpy().copy()
    found[0] = 0
    return found


SHARES = np.linspace(0, 1, 6)  # of the gradients' numbers in a mixture


def both(numbers, y, weights, n_features):
    """What each feature adds by either fit, Float[fit, feature], in the same scale: only the correlation counts."""
    tables = by_ridge(numbers, y, weights, n_features), by_gradients(numbers, y, weights, n_features)
    return np.array([table / (table[numbers].sum(1).std() + 1e-12) for table in tables])


def fitted(numbers, y, weights, n_features, share):
    """What each feature adds, Float[feature], in a mixture of both fits."""
    return np.array([1 - share, share]) @ both(numbers, y, weights, n_features)


def best_mixture(strings, values, threshold, folds=5):
    """The share of the gradients' numbers that is best on texts that a fit has not seen, and its correlation there.

    Each fold leaves neighbouring texts out, which may be parts of one address. `values` are those of a text's tokens
    without the first, with the sign that makes the neuron fire above the threshold.
    """
    reached = []
    for left_out in np.array_split(np.arange(len(values)), folds):
        kept = [i for i in range(len(values)) if not left_out[0] <= i <= left_out[-1]]
        seen, unseen = strings.some(kept), strings.some(left_out)
        y, right = (np.concatenate([values[i] for i in some]) for some in (kept, left_out))
        order = seen.known()
        numbers = unseen.numbers(order)
        tables = both(seen.numbers(order), y, strata_weights(seen.all_ids(), y > threshold), len(order))
        weights = strata_weights(unseen.all_ids(), right > threshold)
        said = tables[:, numbers].sum(2)
        reached.append([correlation((1 - share) * said[0] + share * said[1], right, weights) for share in SHARES])
    mean = np.mean(reached, 0)
    return SHARES[mean.argmax()], mean.max()


# %% [markdown]
# ## As code
#
# The names of all features would not fit into the answer, but their numbers do, in order: the distance to the next one
# is mostly small. What a feature adds is rounded to a few steps. Both are bytes, of which frequent ones cost less, and
# a character holds 15 bits. A feature that was never seen has the number of a known one in 1 case of 40.

# %%
CODE = """import itertools, zlib

{features}

def unpacked(text):
    number = int("".join(format(ord(one) - 0x4E00, "015b") for one in text), 2)
    return zlib.decompress(number.to_bytes((number.bit_length() + 7) // 8, "big")[1:])


NUMBERS = list(itertools.accumulate(unpacked({gaps!r})))
TABLES = {{name: dict(zip(NUMBERS, unpacked(text))) for name, text in {tables}.items()}}


def predict({arguments}):
    table, said = TABLES[{which}], [0.0]
    for at in range(1, len(tokens)):
        steps = [table.get(zlib.crc32(one.encode()) % {size}, 99) - 99 for one in features(tokens, at)]
        said.append(float(sum(step * abs(step) for step in steps)))
    return said
"""


def packed(data):
    """Bytes as text."""
    squeezer = zlib.compressobj(9, strategy=zlib.Z_HUFFMAN_ONLY)
    number, digits = int.from_bytes(b"\x01" + squeezer.compress(data) + squeezer.flush(), "big"), []
    while number:
        number, digit = number >> 15, number & 0x7FFF
        digits.append(chr(0x4E00 + digit))
    return "".join(reversed(digits))


def in_bytes(numbers, steps):
    """The distances of numbers in order, and the steps of each table, in columns; 99 is a step of 0."""
    gaps, columns, before = bytearray(), [bytearray() for _ in steps[0]], 0
    for number, row in zip(numbers, steps, strict=True):
        far, gap = divmod(number - before, 255)
        gaps += bytes([255] * far + [gap])
        for column, step in zip(columns, row, strict=True):
            column += bytes([99] * far + [99 + step])
        before = number
    return bytes(gaps), map(bytes, columns)


def code_of(order, counts, theories, limit=20_000):
    """Code for neurons: as many features as there is room for, those first that change most positions most.

    Args:
        order: The features' numbers, in order.
        counts: How often each occurs.
        theories: Neuron -> what each feature adds, Float[feature], 0 for none first.
        limit: Most characters.
    """
    one, table = len(theories) == 1, np.array([found[1:] for found in theories.values()])
    largest, most = np.quantile(np.abs(table), 0.9995, axis=1)[:, None], 7 if one else 5
    steps = np.rint(np.sign(table) * most * np.minimum(np.abs(table) / largest, 1) ** 0.5).astype(int)
    matter = (np.minimum(np.abs(table) / largest, 1) ** 2).sum(0) * np.array([counts[number] for number in order])
    ranked = np.argsort(-matter * np.abs(steps).max(0).clip(max=1))[: int(np.abs(steps).any(0).sum())]

    def written(count):
        kept = np.sort(ranked[:count])
        gaps, columns = in_bytes([order[i] for i in kept], steps[:, kept].T.tolist())
        return CODE.format(
            features=FEATURES,
            size=SIZE,
            gaps=packed(gaps),
            tables=dict(zip(theories, map(packed, columns), strict=True)),
            arguments="tokens" if one else "tokens, neuron",
            which=repr(next(iter(theories))) if one else "neuron",
        )

    low, high = 1, len(ranked)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if len(written(middle)) <= limit else (low, middle - 1)
    print(f"{low} of {len(order)} features have room")
    return written(low)
