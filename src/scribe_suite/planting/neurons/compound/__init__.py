"""Neurons that follow a rule over several tokens: what the rules are, how they are drawn, how a model is made to."""
