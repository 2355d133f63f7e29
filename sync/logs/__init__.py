"""What is said of a process while it runs: its log lines, and what goes wrong to Sentry too."""
