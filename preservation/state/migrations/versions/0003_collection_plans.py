"""Collection plans, and which of them an item is collected under."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_ITEM_COLUMNS = (
    ("plan_id", sa.String(length=36)),
    ("collection_plan", sa.Text()),
    ("egress", sa.String(length=64)),
    ("waiting_for", sa.Text()),
)


def upgrade() -> None:
    """Create the plans; items that are there already are under none."""
    op.create_table(
        "collection_plan",
        sa.Column("plan_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("organisation_id", sa.String(length=64), nullable=True),
        sa.Column("egress", sa.String(length=64), nullable=False),
        sa.Column("terms", sa.JSON(), nullable=False),
        sa.Column("terms_sha256", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisation.organisation_id"],
            name=op.f("fk_collection_plan_organisation_id"),
        ),
        sa.PrimaryKeyConstraint("plan_id", name=op.f("pk_collection_plan")),
        sa.UniqueConstraint("name", "version", name=op.f("uq_collection_plan_name_version")),
    )
    for name, kind in _ITEM_COLUMNS:
        op.add_column("item", sa.Column(name, kind, nullable=True))
