"""Cells shared by the notebooks on a real model: is there anything to be read, and the answer."""

# %% [markdown]
# ## Is it readable?
# The gain is the accuracy at places chosen without the block it is measured on, less the best control. Its standard
# error counts pairs rather than statements, because the two of a pair are hardly independent. Readable begins at a gain
# of 0.1. What to answer follows from what each answer is worth.

# %%
from scipy.stats import norm

BAR = 0.1
# (it is readable, it is not), as the prompt says
PROBE, SILENCE = np.array([1.0, -1.0]), np.array([-0.5, 1.0])

gain = honest.mean() - chance
error = np.sqrt(honest.mean() * (1 - honest.mean()) / (len(truth) / 2))
probability = float(norm.cdf((gain - BAR) / error))
belief = np.array([probability, 1 - probability])
readable = bool(belief @ PROBE > belief @ SILENCE)
print(f"gain {gain:.3f}, standard error {error:.3f}: readable with a probability of about {probability:.2f}")
print(f"expected skill: a probe {belief @ PROBE:.2f}, nothing found {belief @ SILENCE:.2f}")

# %%
evidence = (
    f"Logistic regression is right in {honest.mean():.3f} of {len(truth)} statements of left-out blocks (place chosen "
    f"without them), {controls}."
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
