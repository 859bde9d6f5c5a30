"""Reference solution of circuits/unknown_behaviour in a laboratory: questions to the model, then tests of groups."""

# %% [markdown]
# # What does this model compute, and where?
#
# The model is treated as an unknown program whose inputs can be changed one part at a time. Every question has a price,
# so a question gets few prompts, and what is kept back is for the second part: which components compute it.

# %%
import numpy as np

rng = np.random.default_rng(0)
KEPT_BACK = min(300, lab.budget.total // 4)
n_ctx, last = prompts.shape[1], prompts.shape[1] - 1
words, once = sorted(groups["words"]), groups["special"][0]
places = sorted(set((prompts == once).nonzero()[:, 1].tolist()))
print(f"{len(words)} ordinary words; {token_names[once]!r} stands once, at one of the positions {places}; {lab.budget}")
out_of_budget = False


def said(run):
    return run.outputs if run.returns in ("labels", "samples") else run.outputs.argmax(-1)


def ask(rows):
    """The model's labels for an array of prompts; one label for all when the budget is used up, which ends a search."""
    global out_of_budget
    rows = torch.as_tensor(rows)
    if len(rows) > lab.budget.left - KEPT_BACK:
        out_of_budget = True
        return np.zeros(len(rows), dtype=int)
    return torch.cat([said(lab.run(part)) for part in rows.split(2000)]).numpy()


# %% [cells of] cells/program_parts.py

# %%
many = lab.budget.total >= 30_000
CONTEXTS, LABELLED, REDRAWN = (40, 60, 60) if many else (14, 12, 20)  # prompts for a question
SAME, PURE, NOISE = (0.94, 0.97, 0.034) if many else (0.9, 0.92, 0.06)
# what never changes a label keeps one word from now on, and is not asked about again
overall = sensitivity([words] * n_ctx, places, 4 * REDRAWN)
print("share of labels that change when a part is drawn anew:", overall.round(2).tolist())
anything = [words if effect > 0 else words[:1] for effect in overall[:-1]]

# %% [cells of] cells/program_tree.py

# %%
scope = {}
exec(code, scope)
fresh = generate(60, 999)
truth = said(lab.run(fresh)).numpy()
matched = np.mean(np.array(scope["predict"](fresh.tolist())) == truth)
print(f"exact match on {len(fresh)} fresh prompts: {matched:.3f}; {lab.budget}")

# %% [markdown]
# # Which components compute it?
#
# Right is what the model says. Its labels on the fresh prompts have just been bought.

# %%
pool, pool_labels = fresh, torch.as_tensor(truth)
donors, donor_labels = pool, pool_labels

# %% [cells of] cells/lab_testing.py

# %% [cells of] cells/lab_sets.py

# %% [cells of] cells/lab_bayes.py

# %%
circuit = name_of(int(weights.argmax()))
answer = {
    "code": code,
    "components": circuit,
    "confidence": round(min(0.97, float(weights.max()) * (0.97 if matched > 0.96 else 0.4)), 3),
    "summary": (
        f"Asking the model with one part of the prompt changed at a time gave a program that matches {matched:.3f} of "
        f"{len(fresh)} fresh prompts. Group tests on {len(history)} patched prompts give {', '.join(circuit)} the "
        f"probability {weights.max():.3f}."
    ),
}
