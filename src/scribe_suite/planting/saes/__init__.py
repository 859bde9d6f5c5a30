"""Models with a sparse autoencoder at one site, both written down: what each latent does is known exactly."""
