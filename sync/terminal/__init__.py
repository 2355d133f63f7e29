"""What every command needs to speak with a person: options, text, times, progress, signals. Knows no feature."""
