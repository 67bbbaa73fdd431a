"""Every step that the database of statuses has taken, in order (Alembic)."""
