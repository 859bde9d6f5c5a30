"""Shared cells that predict a real neuron from the strings of the last tokens, and write the prediction down as code.

They need `vocabulary`, `question` and torch. They leave `Strings` (features of texts), `strata_weights`, `fitted`,
`correlation`, `best_list`, `kept_features` and `code_of`.
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


class Strings:
    """Features of every position of texts, as numbers; position 0 is left out."""

    def __init__(self, texts):
        # text by text, as lists of token ids, of any length
        self.names = [[features([vocabulary[t] for t in row], at) for at in range(1, len(row))] for row in texts]
        self.ids = [np.asarray(row[1:]) for row in texts]

    def known(self, fewest=3):
        """Features that are seen often enough, and how often."""
        counts = Counter(name for text in self.names for names in text for name in names)
        return {name: count for name, count in sorted(counts.items()) if count >= fewest}

    def numbers(self, order):
        """Int[position, slot]: places in `order`, from 1 on; 0 for what is not in it."""
        place = {name: number for number, name in enumerate(order, 1)}
        return np.array([[place.get(name, 0) for name in names] for text in self.names for names in text])


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
# features left out at a time. Each adds up numbers, so their mean does too.


# %%
WHOLE, SHORT = 100.0, 60.0  # penalties on the square of a number: with all features, and with those that have room


def by_ridge(numbers, y, weights, n_features, penalty):
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


def fitted(numbers, y, weights, n_features, penalty=WHOLE):
    """What each feature adds, Float[feature], on average over both fits; scaled, since only the correlation counts."""
    tables = by_ridge(numbers, y, weights, n_features, penalty), by_gradients(numbers, y, weights, n_features)
    return sum(table / (table[numbers].sum(1).std() + 1e-12) for table in tables)


# %% [markdown]
# ## As code
#
# There is no room for all numbers. Those stay that change most positions most, and are fitted again without the others.
# Features are written down compressed, numbers as a byte each, and 14 bits to a character.

# %%
CODE = """import zlib

{features}

def table_of(text):
    number = int("".join(format(ord(one) - 0x4E00, "014b") for one in text), 2)
    data = zlib.decompress(number.to_bytes((number.bit_length() + 7) // 8, "big")[1:])
    size = int.from_bytes(data[:4], "little")
    keys = data[4 : 4 + size].decode().split("\\n")
    return {{key: (v - 128) * abs(v - 128) for key, v in zip(keys, data[4 + size :])}}


TABLES = {{name: table_of(text) for name, text in {tables}.items()}}


def predict({arguments}):
    table = TABLES[{which}]
    return [0.0] + [float(sum(table.get(one, 0) for one in features(tokens, at))) for at in range(1, len(tokens))]
"""


def packed(names, table):
    """Features with their numbers, as text."""
    largest = np.abs(table).max()
    levels = [table[number] / largest for number in range(1, len(names) + 1)]
    values = bytes(round(128 + 127 * np.sign(one) * abs(one) ** 0.5) for one in levels)
    keys = "\n".join(names).encode()
    data = b"\x01" + zlib.compress(len(keys).to_bytes(4, "little") + keys + values, 9)
    number, digits = int.from_bytes(data, "big"), []
    while number:
        number, digit = number >> 14, number & 0x3FFF
        digits.append(chr(0x4E00 + digit))
    return "".join(reversed(digits))


def kept_features(order, table, counts, neurons):
    """As many features as there is room for, where the room is shared by some neurons; in order."""
    room = 0.97 * (19_700 - len(CODE) - len(FEATURES) - 40 * neurons) / neurons
    weight = np.array([abs(table[number]) * counts[name] ** 0.5 for number, name in enumerate(order, 1)])
    ranked = [int(number) for number in np.argsort(-weight) if "\n" not in order[number]]

    def chosen(count):
        return sorted(ranked[:count])

    low, high = 1, len(ranked)
    while low < high:
        middle = (low + high + 1) // 2
        some = chosen(middle)
        size = len(packed([order[n] for n in some], table[[0, *(n + 1 for n in some)]]))
        low, high = (middle, high) if size <= room else (low, middle - 1)
    print(f"{low} of {len(order)} features are kept")
    return [order[number] for number in chosen(low)]


def code_of(theories):
    """Code for neurons, from each one's ``(features, numbers)``."""
    one = len(theories) == 1
    tables = {name: packed(*theory) for name, theory in theories.items()}
    return CODE.format(
        features=FEATURES,
        tables=tables,
        arguments="tokens" if one else "tokens, neuron",
        which=repr(next(iter(tables))) if one else "neuron",
    )
