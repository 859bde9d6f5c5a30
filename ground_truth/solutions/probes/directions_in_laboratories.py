"""Reference solution of the tasks on directions in laboratories: numbers change places, halving over layers."""

# %% [markdown]
# # The direction of a comparison, without labels and on a budget
# Nobody says which statements are true. But of "x ... y" and "y ... x" exactly one is, and all else is the same when
# both are said in the same manner: the difference of such a pair has the direction of the truth, with one sign or the
# other. It has what the model is about to say as well, which depends on truth and ending. So every pair is read with
# both endings: what is said turns round, and the truth stays in the mean.

# %%
import itertools

import numpy as np

rng = np.random.default_rng(0)
WINDOW = 4  # tokens that a head sees: the prompt says so
first_position, second_position = (p for p in range(statements.shape[1]) if len(statements[:, p].unique()) > 6)
# a number is still there itself at its own position and soon after it, and differs within every pair
earliest, latest = first_position, statements.shape[1] - 1
numbers = statements[:, first_position].unique().tolist()
addresses, endings = (statements[:, column].unique().tolist() for column in (-2, -1))
unordered = list(itertools.combinations(numbers, 2))
shuffled = [unordered[number] for number in rng.permutation(len(unordered))]
waiting = ((x, y, a, e) for (x, y), a in zip(itertools.cycle(shuffled), itertools.cycle(addresses)) for e in endings)
print(len(numbers), "numbers; statements such as", text(statements[0]))


def draw(count):
    """Statements about two numbers, and the same with the numbers exchanged; the next pair has the other ending."""
    one = statements[:1].repeat(count, 1)
    one[:, [first_position, second_position, -2, -1]] = torch.tensor([next(waiting) for _ in range(count)])
    other = one.clone()
    other[:, [first_position, second_position]] = one[:, [second_position, first_position]]
    return one, other


# %% [markdown]
# ## From pairs to a direction
# The middles of pairs have the nuisance, and directions in which they spread get less weight. What is left has two
# peaks, one for each sign, and so signs and direction are found in turns: each pair counts by how sure its sign is.


# %%
def spread(values):
    """How the middles of pairs spread: [width, width]. As much again in all directions, as pairs are few."""
    middles = values.mean(1) - values.mean((0, 1))
    covariance = 2 * middles.T @ middles / len(middles)
    return covariance + (np.trace(covariance) / len(covariance) + 1e-9) * np.eye(len(covariance))


def whitened(values):
    """The differences of pairs, the mean of both endings, where no nuisance is loud; and the way there."""
    sizes, directions = np.linalg.eigh(spread(values))
    scale = directions / np.sqrt(sizes) @ directions.T
    differences = (values[:, 0] - values[:, 1])[: len(values) // 2 * 2]
    return (differences[0::2] + differences[1::2]) / 2 @ scale, scale


def signed(differences, turns=50):
    """The mean of the differences, each with its sign."""
    noise = np.square(differences).mean()
    mean = np.linalg.svd(differences, full_matrices=False)[2][0] * np.sqrt(noise)
    for _ in range(turns):
        mean = (np.tanh(differences @ mean / noise)[:, None] * differences).mean(0)
    return mean


def direction(values):
    differences, scale = whitened(values)
    return scale @ signed(differences)


def clarity(values):
    """How much larger left-out differences are along the direction than across it, in standard errors."""
    differences = whitened(values)[0]
    along = []
    for part in np.array_split(np.arange(len(differences)), min(5, max(1, len(differences)))):
        train = np.delete(differences, part, axis=0)
        if len(train):
            mean = signed(train)
            along.append(np.square(differences[part] @ mean) / (np.square(mean).sum() + 1e-9))
    along = np.concatenate(along or [np.zeros(1)]) / np.square(differences).mean() - 1
    return along.mean() * np.sqrt(len(along) / 2)


# %% [cells of] cells/lab_reading.py

# %%
vector = direction(chosen)
answer = {
    "layer": int(layer),
    "position": int(position),
    "direction": vector.tolist(),
    "confidence": float(np.clip(clear[layer, position] / 8, 0.1, 0.95)),
    "summary": (
        f"Layer {layer}, position {position}: of {len(chosen)} pairs of statements whose numbers change places, the "
        "mean difference with the sign of each pair found in turns, divided by how pairs spread. Left-out differences "
        f"are larger along it than across it by {clear[layer, position]:.1f} standard errors."
    ),
}
