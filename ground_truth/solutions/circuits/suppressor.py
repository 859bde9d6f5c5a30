"""Reference solution of circuits/suppressor: patching of every two components together, with signs."""

# %% [markdown]
# # Which components raise the right answer, and which lower it?
#
# Accuracy can't tell: without a suppressor the answers stay right. The logit difference can. Where resampling makes it
# fall the component supports the answer, where resampling makes it rise the component suppresses it.

# %% [cells of] _patching.py

# %% [cells of] _pairwise.py

# %% [markdown]
# ## Roles
#
# A component that shows alone has the sign of its own effect. One that shows only together with another has the sign
# of what resampling it does while the other, the one that hides most of it, is resampled already.

# %%
work = {node: patching[node] for node in single}
for a, b in stand_ins:
    for node, other in ((a, b), (b, a)):
        work.setdefault(node, together[a, b] - alone[other])
roles = {node: "supports" if fall > 0 else "suppresses" for node, fall in sorted(work.items())}
for node, role in roles.items():
    print(f"{node}: {role}; without its work the logit difference falls by {work[node]:+.2f}")

# %% [markdown]
# ## Is this all?
#
# Everything outside is resampled at once: neither accuracy nor the logit difference may move by much. Then all
# components of one role are resampled together.

# %%
normal = logit_difference(clean).mean().item()
kept = resampled(others)
sufficient, kept_difference = correct(kept).mean().item(), logit_difference(kept).mean().item()
print(f"without patches: accuracy {clean_accuracy:.3f}, logit difference {normal:.2f}")
print(f"everything else resampled: accuracy {sufficient:.3f}, logit difference {kept_difference:.2f}")
for role in ("supports", "suppresses"):
    logits = resampled([node for node in roles if roles[node] == role])
    difference = logit_difference(logits).mean()
    print(f"all with the role {role!r} resampled: accuracy {correct(logits).mean():.3f}, difference {difference:.2f}")

# %%
answer = {
    "roles": roles,
    "confidence": 0.95 if abs(kept_difference - normal) < LARGE and sufficient > 0.95 * clean_accuracy else 0.4,
    "nothing_found": not roles,
    "summary": (
        f"The logit difference of {normal:.2f} falls or rises when these are resampled, those that hide each other "
        f"together: {'; '.join(f'{node} {role} ({-work[node]:+.2f})' for node, role in roles.items())}. With all "
        f"else resampled at once accuracy is {sufficient:.3f} and the logit difference {kept_difference:.2f}."
    ),
}
