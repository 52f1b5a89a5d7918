"""Demo links, their budgets, and how often a visitor may ask."""

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Nothing yet."""
