"""The whole system on one machine: private servers, the Procfile's processes, and proof that they work."""
