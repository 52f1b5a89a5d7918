"""Runs and their sentences, and the servers that keep them."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table("facts", sa.Column("name", sa.String(64), primary_key=True), sa.Column("value", sa.Text, nullable=False))
    op.create_table(
        "servers", sa.Column("id", sa.String(32), primary_key=True), sa.Column("began", sa.Float, nullable=False),
        sa.Column("seen", sa.Float, nullable=False),
    )
    op.create_table(
        "runs",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("visitor", sa.String(64), nullable=False),
        sa.Column("server", sa.String(32), nullable=False),
        sa.Column("parent", sa.String(32)),
        sa.Column("demo", sa.String(32)),
        sa.Column("started", sa.Float, nullable=False),
        sa.Column("endpoint", sa.Text, nullable=False),
        sa.Column("endpoint_name", sa.Text, nullable=False),
        sa.Column("prompt", sa.Text, nullable=False),
        sa.Column("parameters", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False, server_default=""),
        sa.Column("sentences", sa.Integer, nullable=False, server_default="0"),
        sa.Column("characters", sa.Integer, nullable=False, server_default="0"),
        sa.Column("first_after", sa.Float),
        sa.Column("ended_after", sa.Float),
        sa.Column("ending", sa.String(16)),
        sa.Column("reason", sa.Text),
        sa.Column("error", sa.Text),
        sa.Column("prompt_tokens", sa.Integer),
        sa.Column("completion_tokens", sa.Integer),
        sa.Column("total_tokens", sa.Integer),
        sa.Column("safety", sa.String(16)),
        sa.Column("cost", sa.Text),
        sa.Column("note", sa.Text, nullable=False, server_default=""),
        sa.Column("starred", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("deleted", sa.Float),
    )
    op.create_table(
        "sentences",
        sa.Column("run", sa.String(32), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("arrived", sa.Float, nullable=False),
        sa.Column("rest", sa.Text),
    )
