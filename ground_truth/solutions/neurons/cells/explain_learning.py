"""Shared cells that find rules in activations: what the words are like, and a search for conjunctions.

They need `tokens`, `tags`, `vocabulary`. They leave `explained_by(rows, found)`, which needs activations of some texts,
and `code_of(theories)`.
"""

# %% [markdown]
# ## What a neuron could depend on
#
# A neuron sees tokens, and what they have in common may be spelling (first letter, ending, length, a capital), the
# category, or that they are one word. Each may matter at the current token, at one before it, at any of the last few or
# at two of them, or anywhere in the text so far.

# %%
import numpy as np

words = [string.strip().lower() if string.strip().isalpha() else "" for string in vocabulary]
shares = np.bincount(tokens.numpy().ravel(), minlength=len(vocabulary)) / tokens.numel()
properties = {}
for size in (1, 2, 3):
    for end in sorted({word[-size:] for word in words if word}):
        properties[f"ends in {end}"] = np.array([bool(word) and word.endswith(end) for word in words])
for letter in "abcdefghijklmnopqrstuvwxyz":
    properties[f"begins with {letter}"] = np.array([word.startswith(letter) for word in words])
lengths = np.array([len(word) for word in words])
for size in range(1, 13):
    properties[f"has {size} letters"] = lengths == size
    properties[f"has at most {size} letters"] = (lengths > 0) & (lengths <= size)
    properties[f"has at least {size} letters"] = lengths >= size
properties["has a capital"] = np.array(
    [bool(word) and string.strip()[:1].isupper() for word, string in zip(words, vocabulary, strict=True)]
)
seen_tags = np.zeros((len(vocabulary), len(tag_names)), int)
np.add.at(seen_tags, (tokens.numpy().ravel(), tags.numpy().ravel()), 1)
usual_tag = np.where(seen_tags.sum(1) > 0, seen_tags.argmax(1), -1)
for number, name in enumerate(tag_names):
    properties[name] = usual_tag == number
for word in sorted({words[token] for token in np.argsort(-shares)[:100] if words[token]}):
    properties[f"is {word}"] = np.array([other == word for other in words])
kept, known = {}, set()
for name, table in properties.items():
    if 0.003 <= shares[table].sum() <= 0.6 and table.tobytes() not in known:
        known.add(table.tobytes())
        kept[name] = table
properties = kept
# for what share of text a property may hold, where it is asked for, and at how many of these places
ASKED = [
    *((0.008, 0.6, places, 1) for places in ((0,), (1,), (2,), (3,), (1, 2), (2, 3), (1, 2, 3))),
    (0.03, 0.6, (1, 2, 3), 2),
    (0.003, 0.035, "before", 1),
]
literals = [
    (name, places, least)
    for name, table in properties.items()
    for low, high, places, least in ASKED
    if low <= shares[table].sum() <= high
]
print(f"{len(properties)} properties, {len(literals)} conditions")


def where(literal, rows):
    """Where a condition holds, Bool[text, position]."""
    name, places, least = literal
    here = properties[name][rows]
    if places == "before":
        return np.cumsum(here, axis=1) >= least
    back = [np.pad(here, ((0, 0), (place, 0)))[:, : here.shape[1]] for place in places]
    return np.sum(back, axis=0) >= least


# %% [markdown]
# ## The search
#
# A theory is a sum of conjunctions, each with a number. One conjunction is searched at a time. All pairs are tried of a
# condition on the current token and another, or its opposite: one alone may explain next to nothing. Then conditions
# are added that explain most of the variance that is left, with the twelve best kept at each step. A condition
# that does not explain clearly more than chance is left out. Then the conjunctions are searched again, one by one,
# given the others.

# %%
BEAM, LONGEST, MOST = 12, 5, 3


class Search:
    """Conjunctions that explain activations of some texts."""

    def __init__(self, rows, found):
        self.holds = np.stack([where(one, rows).reshape(-1) for one in literals])
        self.matrix = self.holds.T.astype(np.float32)
        self.here = np.array([number for number, (_, places, _) in enumerate(literals) if places == (0,)])
        self.together = self.matrix[:, self.here].T @ self.matrix
        self.y = found.reshape(-1).astype(np.float64)
        self.counts = np.ones(len(self.y))
        self.y[:: rows.shape[1]] = np.median(self.y)  # the first token of a text is always the same

    def mask(self, conjunction):
        """Where all conditions hold."""
        where = np.ones(len(self.y), bool)
        for literal, negated in conjunction:
            where &= self.holds[literal] != negated
        return where

    def pairs(self, centred):
        """The best pairs of a condition on the current token and another, with what they explain."""
        single = centred.astype(np.float32) @ self.matrix
        both = (self.matrix[:, self.here] * centred[:, None].astype(np.float32)).T @ self.matrix
        counts = self.matrix.sum(0)
        found = {}
        for negated in (False, True):
            total = single[self.here][:, None] - both if negated else both
            count = counts[self.here][:, None] - self.together if negated else self.together
            gain = np.where((count >= 8) & (total > 0), total**2 / np.maximum(count, 1), 0.0)
            for flat in np.argpartition(-gain.ravel(), 4 * BEAM)[: 4 * BEAM]:
                first, second = divmod(int(flat), len(literals))
                if self.here[first] != second:
                    pair = tuple(sorted({(int(self.here[first]), False), (second, negated)}))
                    found[pair] = float(gain.flat[flat])
        return found

    def conjunction(self, left):
        """The best ones for what is left to explain, each with what it explains, the best first."""
        centred = left - left.mean()
        noise = max(np.median(np.abs(centred)) * 1.5, 1e-3) ** 2
        needed = max(28 * noise, 0.0015 * (float(centred @ centred) - len(centred) * noise))
        beam, finished = [(0.0, ())], []
        for step in range(LONGEST):
            masks = np.stack([self.mask(one) for _, one in beam])
            sums = np.concatenate([masks * centred, masks]).astype(np.float32) @ self.matrix
            grown = {}
            for at, (before, one) in enumerate(beam):
                inside, outside = sums[at], float(masks[at] @ centred) - sums[at]
                n_in = sums[len(beam) + at]
                n_out = masks[at].sum() - n_in
                for negated, total, count in ((False, inside, n_in), (True, outside, n_out)):
                    if negated and not one:
                        continue
                    gain = np.where((count >= 8) & (total > 0), total**2 / np.maximum(count, 1), 0.0)
                    for literal in np.argsort(-gain)[: 2 * BEAM]:
                        if gain[literal] > before + needed:
                            grown[tuple(sorted({*one, (int(literal), negated)}))] = float(gain[literal])
            if step == 1:
                grown |= {pair: gain for pair, gain in self.pairs(centred).items() if gain > 2 * needed}
            finished += [(gain, one) for one, gain in grown.items()]
            beam = sorted(((gain, one) for one, gain in grown.items()), reverse=True)[:BEAM]
            if not beam and step:
                break
            beam = beam or [(0.0, ())]
        # of two that explain the same, the shorter one
        return sorted(finished, key=lambda item: -item[0] + needed * len(item[1]))

    def theory(self):
        """Conjunctions with their numbers, and what was nearly chosen for the last."""
        chosen, runners = [], []
        spread = np.median(np.abs(self.y - np.median(self.y)))
        signal = float(((self.y - self.y.mean()) ** 2).sum()) - len(self.y) * (1.5 * spread) ** 2
        for step in range(2 * MOST):
            # first one after the other, then each again, given the others
            before = [chosen.pop(0)] if step >= MOST and chosen else []
            found = self.conjunction(self.y - self.fitted(chosen))
            if found and found[0][0] > max(0.01 * signal, 90 * spread**2):
                chosen.append(found[0][1])
                runners += [one for _, one in found[:BEAM]]
            else:
                chosen += before
            if step >= MOST and len(chosen) < 2:
                break
        return self.numbered(list(dict.fromkeys(chosen))), runners

    def fitted(self, conjunctions):
        """Least squares on the conjunctions and a constant."""
        design = np.stack([*(self.mask(one) for one in conjunctions), np.ones(len(self.y), bool)]).T.astype(float)
        return design @ np.linalg.lstsq(design, self.y, rcond=None)[0]

    def numbered(self, conjunctions):
        """Conjunctions with the number that each adds."""
        design = np.stack([*(self.mask(one) for one in conjunctions), np.ones(len(self.y), bool)]).T.astype(float)
        weights = np.linalg.lstsq(design, self.y, rcond=None)[0]
        return [(float(weight), one) for weight, one in zip(weights, conjunctions, strict=False)]


def in_words(theory):
    """A theory for a person."""
    lines = []
    for weight, conjunction in theory:
        parts = []
        for literal, negated in conjunction:
            name, places, least = literals[literal]
            at = "before" if places == "before" else f"at -{'/'.join(map(str, places))}"
            parts.append(f"{'not ' if negated else ''}{'two ' if least == 2 else ''}{name} {at}")
        lines.append(f"{weight:.2f} * ({' and '.join(parts)})")
    return " + ".join(lines) or "nothing"


CODE = """SETS = {sets}
RULES = {rules}
SETS = [[int(text, 36) >> i & 1 for i in range({size})] for text in SETS]


def predict({arguments}):
    values = []
    for at in range(len(tokens)):
        total = 0.0
        for weight, conditions in RULES[{which}]:
            total += weight * all(
                (sum(SETS[number][tokens[at - place]] for place in places or range(at + 1) if at >= place) >= least)
                != negated
                for number, places, least, negated in conditions
            )
        values.append(total)
    return values
"""


def packed(table):
    """A set of tokens as a number, to the base of 36."""
    number, digits = sum(1 << int(token) for token in np.flatnonzero(table)), ""
    while number:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return digits or "0"


def code_of(theories):
    """Theories of neurons as code."""
    used = sorted({literals[literal][0] for theory in theories.values() for _, one in theory for literal, _ in one})

    def condition(literal, negated):
        name, places, least = literals[literal]
        return used.index(name), () if places == "before" else places, least, negated

    rules = {
        name: [
            (round(weight, 3), [condition(i, negated) for i, negated in conjunction]) for weight, conjunction in theory
        ]
        for name, theory in theories.items()
    }
    one = len(theories) == 1
    return CODE.format(
        sets=[packed(properties[name]) for name in used],
        rules=rules,
        size=len(vocabulary),
        arguments="tokens" if one else "tokens, neuron",
        which=repr(next(iter(theories))) if one else "neuron",
    )
