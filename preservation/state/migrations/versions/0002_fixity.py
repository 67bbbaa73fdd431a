"""When each share of the archive was last read back, and what was found damaged."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the two tables; losing them only means that everything is checked again."""
    op.create_table(
        "fixity_shard",
        sa.Column("place", sa.String(length=16), nullable=False),
        sa.Column("shard", sa.String(length=3), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_asked_for", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("place", "shard", name=op.f("pk_fixity_shard")),
    )
    op.create_table(
        "fixity_damage",
        sa.Column("place", sa.String(length=16), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("shard", sa.String(length=3), nullable=False),
        sa.Column("fault", sa.String(length=32), nullable=False),
        sa.Column("expected", sa.Text(), nullable=False),
        sa.Column("observed", sa.Text(), nullable=False),
        sa.Column("named_by", sa.Text(), nullable=False),
        sa.Column("second_copy", sa.String(length=32), nullable=True),
        sa.Column("last_good_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("place", "key", name=op.f("pk_fixity_damage")),
    )
