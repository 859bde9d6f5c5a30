"""Cells shared by the notebooks that fit a probe: the answer and what supports it."""

# %%
weight, bias, center = fit(chosen, truth)
first_block = grid[0].max()
answer = {
    "layer": int(layer),
    "position": int(position),
    "weight": weight.tolist(),
    "bias": float(bias),
    "center": center.tolist(),
    "confidence": float(np.clip(held_out, 0.0, 0.99)),
    "summary": (
        f"Block {layer}, position {position}, {method}: accuracy {held_out:.3f} on left-out rows; best position after "
        f"block 0 {first_block:.3f}; untrained twins {np.mean(control):.3f}."
    ),
}
