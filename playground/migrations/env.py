"""How Alembic reaches the database: through the connection, and in the transaction, of `playground.database`."""

from alembic import context

from playground.tables import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA, transactional_ddl=True)
context.run_migrations()
