"""Reference solution of neurons/syntax_real in a laboratory: the tag at its place, in two rounds."""

# %% [cells of] cells/real_tags.py

# %% [cells of] cells/real_lab_search.py

# %% [cells of] cells/real_lab_finding.py
