"""Reference solution of circuits/suppressor: patching of every two components together, with signs."""

# %% [markdown]
# # Which components raise the right answer, and which lower it?
#
# Accuracy can't tell: without a suppressor the answers stay right. The logit difference can. Where resampling makes it
# fall the component supports the answer, where resampling makes it rise the component suppresses it.

# %% [cells of] cells/patching.py

# %% [cells of] cells/pairwise.py

# %% [markdown]
# ## Roles
#
# A component that shows alone has the sign of its own effect. One that shows only together with another has the sign
# of what resampling it does while the other, the one that hides most of it, is resampled already. The effect of the
# first kind is measured on all pairs, that of the second on the first ones only.

# %%
work = {node: patching[node] for node in single}
measured = {node: f"resampled alone ({len(run)} pairs)" for node in single}
for a, b in stand_ins:
    for node, other in ((a, b), (b, a)):
        work.setdefault(node, together[a, b] - alone[other])
        measured.setdefault(node, f"resampled beside {other} (first {PAIRWISE} pairs)")
roles = {node: "supports" if fall > 0 else "suppresses" for node, fall in sorted(work.items())}
for node, role in roles.items():
    print(f"{node}: {role}; {measured[node]}, the logit difference {in_words(work[node])}")

# %% [markdown]
# ## Is this all?
#
# Everything outside is resampled at once: neither accuracy nor the logit difference may move by much. Then all
# components of one role are resampled together.

# %%
kept = resampled(others)
sufficient, kept_difference = correct(kept).mean().item(), logit_difference(kept).mean().item()
print(f"without patches: accuracy {clean_accuracy:.3f}, logit difference {clean_difference:.2f}")
print(f"everything else resampled: accuracy {sufficient:.3f}, logit difference {kept_difference:.2f}")
by_role = {}
for role in ("supports", "suppresses"):
    logits = resampled([node for node in roles if roles[node] == role])
    by_role[role] = logit_difference(logits).mean().item()
    print(f"all with role {role!r} resampled: accuracy {correct(logits).mean():.3f}, difference {by_role[role]:z.2f}")

# %% [cells of] cells/finding.py

# %%
display(
    Markdown(
        "Roles: "
        + (
            "; ".join(
                f"`{node}` {role}: {measured[node]}, the logit difference {in_words(work[node])}"
                for node, role in roles.items()
            )
            or "none"
        )
        + f". From {clean_difference:.2f} without patches it {in_words(clean_difference - by_role['supports'])} "
        f"without all that support, and {in_words(clean_difference - by_role['suppresses'])} without all that suppress "
        f"({len(run)} pairs)."
    )
)

# %%
answer = {
    "roles": roles,
    "confidence": 0.95
    if abs(kept_difference - clean_difference) < LARGE and sufficient > 0.95 * clean_accuracy
    else 0.4,
    "summary": (
        f"The logit difference of {clean_difference:.2f} falls or rises when these are resampled, those that hide each "
        f"other together: {'; '.join(f'{node} {role} (it {in_words(work[node])})' for node, role in roles.items())}. "
        f"With all else resampled at once accuracy is {sufficient:.3f} and the logit difference {kept_difference:.2f}."
    ),
}
