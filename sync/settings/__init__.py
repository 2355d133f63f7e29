"""All settings, read from the environment once at start; and what every process sets up then, its log and Sentry."""
