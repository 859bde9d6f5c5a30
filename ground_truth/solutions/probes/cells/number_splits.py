"""Cells shared by the notebooks on comparisons: the numbers, and splits that share none."""

# %%
import numpy as np

for row in range(4):
    print(text(statements[row]), "->", bool(labels[row]))
# addressees and endings differ too, but there are only a few of them
vocabulary_of_statements = {vocabulary[token] for token in statements.unique().tolist()}
number_positions = [p for p in range(statements.shape[1]) if len(statements[:, p].unique()) > 6]
first, second = (statements[:, p].numpy() for p in number_positions)
decided_at = number_positions[-1]
numbers = np.unique(np.concatenate([first, second]))
print("the numbers stand at positions", number_positions, "and there are", len(numbers))

# who wins more often is the greater: the order of the numbers, from the labels
truth_of_greater = labels.numpy() == ("greater" in vocabulary_of_statements)
wins = {number: truth_of_greater[first == number].mean() for number in numbers}

splits = []
for seed in range(5):
    left_out = np.random.default_rng(seed).choice(numbers, len(numbers) // 3, replace=False)
    place = {number: rank for rank, number in enumerate(sorted(left_out, key=wins.get))}
    out_first, out_second = np.isin(first, left_out), np.isin(second, left_out)
    near = np.array([abs(place.get(a, -99) - place.get(b, 99)) <= 2 for a, b in zip(first, second, strict=True)])
    splits.append((~out_first & ~out_second, out_first & out_second & near))
print("rows for fitting and for testing:", [(int(train.sum()), int(test.sum())) for train, test in splits])
