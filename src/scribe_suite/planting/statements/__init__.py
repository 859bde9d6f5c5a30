"""Small worlds of statements that are true or false, and models that know which."""
