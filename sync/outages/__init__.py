"""What outages cost: campaigns, ids without a status, and STOPs that nobody can name. A person resolves each."""
