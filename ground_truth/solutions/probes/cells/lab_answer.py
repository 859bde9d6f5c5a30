"""Cells shared by the notebooks for laboratories: the probe and what supports it."""

# %%
weight, center = direction(chosen), chosen.mean((0, 1))
agreement = float(clear[layer, position])
others = max((value for place, value in clear.items() if place[0] != layer), default=0.0)
answer = {
    "layer": int(layer),
    "position": int(position),
    "weight": weight.tolist(),
    "center": center.tolist(),
    "confidence": float(np.clip(agreement / 8, 0.1, 0.95)),
    "summary": (
        f"Layer {layer}, position {position}: mean difference of {len(chosen)} pairs of statements that differ in "
        f"their truth, divided by how pairs spread. Differences agree by {agreement:.1f} standard errors; at the best "
        f"place of another layer by {others:.1f}."
    ),
}
