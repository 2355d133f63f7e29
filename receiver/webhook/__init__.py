"""`POST /webhooks/zexa`: read, verify, store, answer."""
