"""One person: what is held about them, by any spelling of their address. Reads only."""
