"""People's decisions not to be messaged: how they are recorded, read, imported, taken out of lists, and proved."""
