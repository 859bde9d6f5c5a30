"""Shared cells: circuits are sets of components of which each is needed by itself."""

# %% [markdown]
# ## Circuits that can be
#
# All sets of up to six components, larger ones with a lower probability. What is not certain is how often the answer
# changes when a component that matters is resampled: the prompt promises 30 percentage points, and one half is assumed.
# In groups without any, an
# answer is wrong as often as without patches.

# %%
import itertools
import math

LARGEST, SHARE, CHANGES = 6, 0.15, 0.55
bits = 1 << np.arange(len(nodes), dtype=np.int64)
circuits = np.array(
    [
        sum(bits[list(chosen)])
        for size in range(1, LARGEST + 1)
        for chosen in itertools.combinations(range(len(nodes)), size)
    ],
    dtype=np.int64,
)
sizes = np.array([size for size in range(1, LARGEST + 1) for _ in range(math.comb(len(nodes), size))])
log_prior = sizes * math.log(SHARE / (1 - SHARE))
#: [does the group hold one of the circuit?, did the answer change?]
changed = CHANGES + (1 - CHANGES) * WRONG
SEES = np.array([[1 - WRONG, WRONG], [1 - changed, changed]])


def predicted(group, which):
    return ((circuits[which] & bits[group].sum()) != 0).astype(int)


def seen_of(rows, run):
    return (share_wrong(answers(run), pool_labels[rows]) > MANY).int().tolist()


def name_of(i):
    return [node for node, bit in zip(nodes, bits, strict=True) if circuits[i] & bit]
