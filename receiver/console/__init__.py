"""The console: pages for people under /console/, only if ZEXA_CONSOLE_KEY is set, and loaded only then."""
