"""Neurons that follow a rule over several tokens: rules, how they are drawn, and how they are written into a model."""
