"""What is asked of this system over HTTP, and only with a token: look-ups and measurements."""
