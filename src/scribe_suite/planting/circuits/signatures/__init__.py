"""Numbers about the nodes of a model that no symmetry changes: whether they distinguish a circuit from its decoys.

`node_signatures` in `table` computes them all. The other modules each contain one kind of statistic: `maps` the
matrices that all are made from, `matrices` those of one matrix, `weights` those of single nodes, `neurons` those of an
MLP's neurons, `composition` those of pairs, `activations` those of a forward pass, `output` those that look at what
reaches the logits.
"""
