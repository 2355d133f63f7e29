"""What needs more than this project's own packages: Debian's, another Python, the package index."""
