"""Plays the provider for load and acceptance tests: invents its events and delivers them as it would."""
