"""Shows on standard error how far a file was read, where that is a terminal."""
