"""Reference solution of neurons/unigram_real in a laboratory: the variants of the word, in two rounds."""

# %% [cells of] cells/real_word.py

# %% [cells of] cells/real_lab_search.py

# %% [cells of] cells/real_lab_finding.py
