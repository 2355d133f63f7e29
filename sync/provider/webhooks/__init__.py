"""Registers the webhook at the provider, with proof that its deliveries come."""
