"""Alembic migrations: numbered, linear, the only source of the schema."""
