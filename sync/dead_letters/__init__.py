"""What waits for a person: dead letters, and facts the ledger keeps as ignored. Found, shown, replayed, resolved."""
