"""Hidden sparse models: features with directions and how they occur together, and activations made of them."""
