"""Which sealed batches' sheets haven't gone back to their submitters yet."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the mark; sheets of batches that are sealed already went back by then."""
    op.add_column("seal_batch", sa.Column("owes_sheets", sa.Boolean(), nullable=True))
