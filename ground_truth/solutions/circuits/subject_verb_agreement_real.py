"""Reference solution of circuits/subject_verb_agreement_real: EAP-IG per node, checked by its circuits' curves."""

# %% [markdown]
# # What does the model need to make a verb agree with its subject?

# %% [cells of] cells/real_attribution.py

# %% [cells of] cells/real_curves.py
