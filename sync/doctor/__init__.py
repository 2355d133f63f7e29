"""Says what is wrong with an installation, and the remedy: reads settings, both stores and what was counted."""
