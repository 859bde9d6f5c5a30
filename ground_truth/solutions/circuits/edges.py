"""Reference solution of circuits/edges: path patching, one edge at a time."""

# %% [markdown]
# # Which node reads which?
#
# The model has no LayerNorm: a node reads the sum of what the embedding and all earlier nodes write. So what one edge
# carries can be exchanged exactly. The reader, in one role, gets the difference between what the writer puts out on
# another prompt and what it puts out on this one, and all that follows is computed as usual.

# %%
import matplotlib.pyplot as plt
import torch

torch.set_grad_enabled(False)
PAIRS = 120
base, source = generate(PAIRS, 1), generate(PAIRS, 2)


def split(node):
    """Layer and head; None for an MLP."""
    layer, _, head = node[1:].partition(".h")
    return int(layer), int(head) if head else None


def written(tokens):
    """What the embedding and every node write into the residual stream."""
    cache = model.run_with_cache(tokens, names_filter=lambda name: name.endswith(("hook_embed", "hook_z", "mlp_out")))[
        1
    ]
    found = {"embed": cache["hook_embed"]}
    for node in nodes:
        layer, head = split(node)
        if head is None:
            found[node] = cache[f"blocks.{layer}.hook_mlp_out"]
        else:
            found[node] = cache[f"blocks.{layer}.attn.hook_z"][:, :, head] @ model.blocks[layer].attn.W_O[head]
    return found


here, there = written(base), written(source)
difference = {node: there[node] - here[node] for node in here}
clean = model(base)[:, -1].argmax(-1)


def labels_along(edges):
    """Labels while each of the edges carries what it does on the sources; one reader must not depend on another."""
    hooks = []
    for edge in edges:
        writer, _, receiver = edge.partition("->")
        reader, role = (receiver[:-2], receiver[-1]) if receiver[0] == "a" else (receiver, "in")
        layer, head = split(reader)
        if head is None:
            more, name = difference[writer] @ model.blocks[layer].mlp.W_in, f"blocks.{layer}.mlp.hook_pre"
        else:
            weights = getattr(model.blocks[layer].attn, f"W_{role.upper()}")[head]
            more, name = difference[writer] @ weights, f"blocks.{layer}.attn.hook_{role}"

        def add(value, hook, more=more, head=head):  # noqa: ARG001
            if head is None:
                return value + more
            value[:, :, head] += more
            return value

        hooks.append((name, add))
    return model.run_with_hooks(base, fwd_hooks=hooks)[:, -1].argmax(-1)


# %%
effect = {edge: (labels_along([edge]) != clean).float().mean().item() for edge in edges}
ranked = sorted(edges, key=lambda edge: -effect[edge])
print({edge: round(effect[edge], 2) for edge in ranked[:40]})
plt.plot([effect[edge] for edge in ranked], ".")
plt.ylabel("share of labels that change")
plt.show()

# %%
found = [edge for edge in edges if effect[edge] >= 0.15]
others = [effect[edge] for edge in edges if edge not in found]
least, most = min(effect[edge] for edge in found), max(others)
print(f"{len(found)} of {len(edges)} edges change at least {least:.2f} of the labels, all others at most {most:.2f}")
answer = {
    "edges": found,
    "confidence": 0.97 if least > 0.25 and most < 0.05 else 0.6,
    "summary": (
        f"Path patching of every edge on {PAIRS} pairs of prompts: {len(found)} edges change at least {least:.2f} of "
        f"the labels, and none of the other {len(others)} changes more than {most:.2f}."
    ),
}
