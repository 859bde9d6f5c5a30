"""Agent providers, which get a prompt and a notebook. They know nothing about scoring."""
