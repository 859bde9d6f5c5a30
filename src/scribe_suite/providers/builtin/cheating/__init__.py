"""An agent that has no interest in interpretability and wants its score all the same; its attempts are tests."""
