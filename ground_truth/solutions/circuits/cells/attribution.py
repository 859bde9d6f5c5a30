"""Shared cells: attribution patching and EAP-IG, the approximations of patching by gradients."""

# %% [markdown]
# ## What gradients say
#
# Patching runs the model once per component. Two approximations need one or a few passes for all of them:
#
# - **attribution patching** (Nanda 2023; Syed et al. 2023, arXiv 2310.10348): the difference of a node's output between
#   source and base prompt, times the gradient of the logit difference on the base prompt;
# - **EAP-IG** (Hanna et al. 2024, arXiv 2403.17806), here per node: the same with gradients averaged over inputs on the
#   way from the source's embeddings to the base's, because a single gradient is blind where something saturates.
#
# Both are shown as the fall they predict, to be compared with the measured one above.

# %%
STEPS = 8
EMBEDDED = "blocks.0.hook_resid_pre"


def node_gradients(embedded):
    """Every node hook's gradient of the summed logit difference when the embedded prompts are as given."""
    seen = {}

    def watch(value, hook):
        seen[hook.name] = value

    logits = model.run_with_hooks(embedded, start_at_layer=0, fwd_hooks=[(is_node_hook, watch)])[:, labelled]
    return dict(zip(seen, torch.autograd.grad(logit_difference(logits).sum(), list(seen.values())), strict=True))


with torch.no_grad():
    _, base_cache = model.run_with_cache(run, names_filter=lambda name: name == EMBEDDED or is_node_hook(name))
    _, embedded_source = model.run_with_cache(taken_from, names_filter=EMBEDDED)


def predicted_falls(shares_of_base):
    """The fall of the logit difference that nodes' gradients predict, averaged over points on the way."""
    points = [torch.lerp(embedded_source[EMBEDDED], base_cache[EMBEDDED], share) for share in shares_of_base]
    gradients = [node_gradients(point) for point in points]
    falls = {}
    for node in nodes:
        hook, head = place(node)
        change = (base_cache[hook] - source_cache[hook]) * sum(gradient[hook] for gradient in gradients) / len(points)
        falls[node] = (change if head is None else change[:, :, head]).flatten(1).sum(1).mean().item()
    return falls


attribution = predicted_falls([1.0])
eap_ig = predicted_falls([step / STEPS for step in range(1, STEPS + 1)])
heat_maps({"attribution patching": attribution, "EAP-IG": eap_ig}, {})
