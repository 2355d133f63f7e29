"""The people of the console: who they are, how they sign in, and the log of what they did."""
