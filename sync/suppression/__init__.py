"""Who may be messaged: the question applications ask before every send, and how fresh the answer is."""
