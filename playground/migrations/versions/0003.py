"""Demo links, their budgets, and how often a visitor may ask."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def _books() -> list[sa.Column[int]]:
    kinds = ("runs", "tokens", "money")
    return [sa.Column(f"{kind}_{state}", sa.BigInteger, nullable=False, server_default="0") for state in ("used", "held") for kind in kinds]


def upgrade() -> None:
    op.create_table(
        "demos",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("made", sa.Float, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("endpoints", sa.Text, nullable=False),
        sa.Column("ranges", sa.Text, nullable=False),
        sa.Column("prefix", sa.Text, nullable=False),
        sa.Column("tokens_per_run", sa.Integer, nullable=False),
        sa.Column("currency", sa.String(3)),
        sa.Column("runs_cap", sa.BigInteger),
        sa.Column("tokens_cap", sa.BigInteger),
        sa.Column("money_cap", sa.BigInteger),
        sa.Column("runs_each", sa.BigInteger),
        sa.Column("tokens_each", sa.BigInteger),
        sa.Column("money_each", sa.BigInteger),
        sa.Column("expires", sa.Float),
        sa.Column("stopped", sa.Float),
        *_books(),
    )
    op.create_table(
        "demo_visitors", sa.Column("demo", sa.String(32), primary_key=True), sa.Column("visitor", sa.String(64), primary_key=True), *_books()
    )
    op.create_table(
        "reservations",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("demo", sa.String(32), nullable=False, index=True),
        sa.Column("visitor", sa.String(64), nullable=False),
        sa.Column("server", sa.String(32), nullable=False),
        sa.Column("made", sa.Float, nullable=False),
        sa.Column("runs", sa.BigInteger, nullable=False),
        sa.Column("tokens", sa.BigInteger, nullable=False),
        sa.Column("money", sa.BigInteger, nullable=False),
    )
    op.create_table("rates", sa.Column("key", sa.String(64), primary_key=True), sa.Column("due", sa.Float, nullable=False, index=True))
    op.create_table(
        "refusals", sa.Column("demo", sa.String(32), primary_key=True), sa.Column("reason", sa.String(16), primary_key=True),
        sa.Column("times", sa.BigInteger, nullable=False), sa.Column("last", sa.Float, nullable=False),
    )
