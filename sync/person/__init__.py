"""One person: what is held about them, by any spelling of their address, and how they are forgotten."""
