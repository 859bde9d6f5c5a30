"""Reference solution of neurons/unigram_real in a laboratory: variance explained by the word's variants, in two rounds."""

# %% [cells of] cells/real_word.py

# %% [cells of] cells/real_lab_search.py

# %% [cells of] cells/real_lab_finding.py
