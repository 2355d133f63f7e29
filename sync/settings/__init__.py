"""All settings, read from the environment once at start."""
