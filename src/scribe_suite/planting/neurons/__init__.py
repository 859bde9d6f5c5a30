"""Language models in which chosen MLP neurons follow chosen features of text: drawing, training, certificates."""
