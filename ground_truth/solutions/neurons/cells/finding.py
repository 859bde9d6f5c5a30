"""Shared cells: what was found, in words that are made from the numbers, and the answer of a question for a set.

They need the cells of `decision.py` and `ablation.py`, and `used_where` (Bool, shape of `tokens`): where the model
should need the neurons.
"""

# %%
import numpy as np
from IPython.display import Markdown, display

rise, rise_error, rise_elsewhere = loss_rise(found, used_where) if found else (0.0, 0.0, 0.0)
control = random_rise(found, used_where) if found else 0.0
print(f"next-token loss {intact.mean():.3f}; with the {len(found)} neurons held at their means it rises by")
print(f"{rise:z.3f} ± {rise_error:.3f} where it should matter, {rise_elsewhere:z.3f} elsewhere")
print(f"with as many random neurons: {control:z.3f} where it should matter")

# %% [markdown]
# ## What was found
#
# The confidence is the chance that every decision near the bar would fall the same way on other text, taking the
# standard errors as those of normal distributions, times 0.98 for all that they can't know.

# %%
distance = {i: abs(statistic[i].item() - BAR) for i in listed}
sure = np.prod([torch.special.ndtr(torch.tensor(distance[i] / max(errors[i], 1e-4))).item() for i in listed])
closest = min(listed, key=lambda i: distance[i] / max(errors[i], 1e-4))
runner_up = order[len(found)]
NEGLIGIBLE = 0.01  # nats per token
used = rise > max(3 * rise_error, 2 * control, rise_elsewhere, NEGLIGIBLE)
submitted = ", ".join(f"`{names[i]}` ({statistic[i]:.2f})" for i in found) or "none"
display(
    Markdown(
        f"Neurons with at least {BAR} for {what}: {submitted}. The next one, `{names[runner_up]}`, reaches "
        f"{statistic[runner_up]:z.2f}"
        + (
            f"; it is active on {agreements[runner_up][0]:.0%} of the positions with the feature, and "
            f"{agreements[runner_up][1]:.0%} of the positions where it is active have the feature"
            if feature.dtype == torch.bool
            else ""
        )
        + f". The best neuron of an untrained model reaches {max(null_best):.2f}. Closest to the bar, in standard "
        f"errors, is `{names[closest]}`: {statistic[closest]:z.3f} ± {errors[closest]:.3f}. "
        + (
            f"Held at their means, the submitted neurons cost {rise:z.3f} ± {rise_error:.3f} nats per token where it "
            f"should matter and {rise_elsewhere:z.3f} elsewhere; as many random ones {control:z.3f}. The model "
            f"{'uses' if used else 'hardly uses'} them."
            if found
            else "No neuron is one of those asked for."
        )
    )
)
best_found = min((statistic[i].item() for i in found), default=0.0)
answer = {
    "neurons": [names[i] for i in found],
    "confidence": round(0.98 * float(sure), 3),
    "summary": (
        f"Variance explained of every neuron's activation for {what}: "
        + (f"the {len(found)} submitted reach at least {best_found:.2f}, " if found else f"none reaches {BAR}, ")
        + f"the next one {statistic[runner_up]:z.2f}, the best neuron of an untrained model {max(null_best):.2f}."
        + (
            f" Mean-ablating the submitted ones raises the loss by {rise:z.3f} nats where it should matter and "
            f"{rise_elsewhere:z.3f} elsewhere."
            if found
            else ""
        )
    ),
}
