"""Reference solution of probes/regularization in laboratories: pairs made from few labels, halving over layers."""

# %% [markdown]
# # A probe from very few labels, on a budget
# The labels are few, some are wrong, and accidents agree with them. But statements can be made: a city whose statement
# is labelled true can be put into another country, and both can be said in every manner. So pairs have no accidents,
# and there are as many as the budget allows. A wrong label gives pairs of two false statements, which have no truth in
# common and only make the mean difference smaller. Statements labelled false are not used: of their cities nobody knows
# the country.

# %% [cells of] cells/lab_manner.py

# %% [cells of] cells/lab_cities.py

# %% [cells of] cells/lab_direction.py

# %% [cells of] cells/lab_reading.py

# %% [cells of] cells/lab_answer.py
