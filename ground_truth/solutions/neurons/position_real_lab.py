"""Reference solution of neurons/position_real in a laboratory: the shape over positions, in two rounds."""

# %% [cells of] cells/real_shapes.py

# %% [cells of] cells/real_lab_search.py

# %% [cells of] cells/real_lab_finding.py
