"""Shared cells: the features of a question, the shape asked for, a few others, and single positions.

They need what an agent has, and leave `features`, `labels`, `asked` and `count`.
"""

# %% [markdown]
# # Which neurons of the model follow the position?
#
# Besides the shape asked for I measure a few others, to see what the neurons follow best, and means by position.

# %%
count = question["count"]
at = torch.arange(tokens.shape[1]).float()
shapes = {
    "rising": at,
    "falling": -at,
    **{f"{first} to {last}": (at >= first) & (at <= last) for first, last in [(1, 1), (1, 4), (1, 16), (64, 127)]},
}
what = question["shape"] if question["shape"] != "band" else f"{question['first']} to {question['last']}"
if question["shape"] == "band":
    shapes[what] = (at >= question["first"]) & (at <= question["last"])
# scaled to lie between 0 and 1; means by position come from one more feature for each
labels = [what, *(name for name in shapes if name != what), *(f"position {p}" for p in range(1, len(at)))]
profiles = [shapes[name].float() for name in labels[: len(shapes)]] + [(at == p).float() for p in range(1, len(at))]
profiles = [(one - one[1:].min()) / (one[1:].max() - one[1:].min()) for one in profiles]
features, asked = torch.stack(profiles)[:, None].expand(-1, len(tokens), -1), [0]
