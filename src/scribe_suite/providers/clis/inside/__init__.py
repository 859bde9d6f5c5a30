"""Programs that run in the process of an agent CLI; they import nothing of the package."""
