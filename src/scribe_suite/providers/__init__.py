"""Agent providers: whoever gets a prompt and a notebook. Know nothing about scoring."""
