"""Shared cells: where the heads of a circuit attend."""

# %%
with torch.no_grad():
    _, pattern_cache = model.run_with_cache(run, names_filter=lambda name: name.endswith("hook_pattern"))


def attends(node, query, key):
    """Mean attention of a head from one position per prompt to another."""
    layer, head = node[1:].split(".h")
    pattern = pattern_cache[f"blocks.{layer}.attn.hook_pattern"][:, int(head)]
    prompt = torch.arange(len(pattern))
    return pattern[prompt, query, key].mean().item()


def show_attention(places):
    """A line per head of the circuit: mean attention for every named pair of positions."""
    for node in circuit:
        if node.startswith("a"):
            found = {name: attends(node, *positions) for name, positions in places.items()}
            print(f"{node}: " + "; ".join(f"{name} {value:.2f}" for name, value in found.items()))
