"""Shared cells: at which positions the circuit works, and where its heads attend."""

# %%
rows = torch.arange(len(run))
last = torch.full((len(run),), run.shape[1] - 1)
with torch.no_grad():
    _, pattern_cache = model.run_with_cache(run, names_filter=lambda name: name.endswith("hook_pattern"))


@torch.no_grad()
def lost_at(node, position):
    """Accuracy lost when a node is resampled at one position per prompt."""
    hook_name, head = place(node)

    def resample_there(value, hook):
        value, there = value.clone(), (rows, position) if head is None else (rows, position, head)
        value[there] = source_cache[hook.name][there]
        return value

    logits = model.run_with_hooks(run, fwd_hooks=[(hook_name, resample_there)])[:, labelled]
    return clean_accuracy - correct(logits).mean().item()


def attends(node, query, key):
    """Mean attention of a head from one position per prompt to another."""
    layer, head = node[1:].split(".h")
    pattern = pattern_cache[f"blocks.{layer}.attn.hook_pattern"][:, int(head)]
    return pattern[rows, query, key].mean().item()


def show_attention(places):
    """A line per head of the circuit: mean attention for every named pair of positions, which is returned as well."""
    found = {
        node: {name: attends(node, *positions) for name, positions in places.items()}
        for node in circuit
        if node.startswith("a")
    }
    for node, read in found.items():
        print(f"{node}: " + "; ".join(f"{name} {value:.2f}" for name, value in read.items()))
    return found
