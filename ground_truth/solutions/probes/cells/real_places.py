"""Cells shared by the notebooks on a real model: what is read at which place, and at places chosen honestly.

They need the cells of `real_fits.py`, `hidden` (Float[layer, position, statement, d_model]), `layers` and `POSITIONS`.
"""

# %%
hits = np.array([[left_out_blocks(at.astype(float)) for at in layer] for layer in hidden])
grid = hits.mean(-1)
place = np.unravel_index(grid.argmax(), grid.shape)
honest, places = nested(hidden.astype(float))
print("best place: layer", layers[place[0]], "position", POSITIONS[place[1]], "accuracy", grid.max().round(3))
print("left-out accuracy at places chosen without it:", honest.mean().round(3), "at", places)
