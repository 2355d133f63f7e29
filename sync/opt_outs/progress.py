"""Shows on standard error how far a file was read, if that is a terminal."""
