"""Cells shared by the notebooks on a real model: is there anything to be read, and the answer."""

# %% [markdown]
# ## Is it readable?
# The gain is the accuracy at places chosen without the block it is measured on, less the best control. Its standard
# error counts pairs rather than statements, because the two of a pair are hardly independent. Readable begins at a gain
# of 0.1. A claim brings 1 or costs 1, silence brings 0 or 1, so a claim pays if it is right with a probability of two
# thirds.

# %%
from scipy.stats import norm

BAR = 0.1
gain = honest.mean() - chance
error = np.sqrt(honest.mean() * (1 - honest.mean()) / (len(truth) / 2))
probability = float(norm.cdf((gain - BAR) / error))
readable = probability > 2 / 3
print(f"gain {gain:.3f}, standard error {error:.3f}: readable with a probability of about {probability:.2f}")

# %%
evidence = (
    f"Logistic regression is right in {honest.mean():.3f} of the statements of left-out blocks (place chosen without "
    f"them), counts of tokens in {words:.3f}, an untrained model in {twin:.3f}."
)
if readable:
    weight, bias, center = logistic(chosen, truth)
    answer = {
        "layer": int(layers[place[0]]),
        "position": int(POSITIONS[place[1]]),
        "weight": weight.tolist(),
        "bias": bias,
        "center": center.tolist(),
        "confidence": probability,
        "nothing_found": False,
        "summary": f"{evidence} Read after block {layers[place[0]]} at position {POSITIONS[place[1]]}.",
    }
else:
    answer = {
        "weight": [],
        "confidence": 1 - probability,
        "nothing_found": True,
        "summary": f"{evidence} That is not surely enough above them.",
    }
print(answer["summary"])
