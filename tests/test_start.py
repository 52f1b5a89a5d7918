"""The app starts with what it needs then: what is heavy is imported when somebody asks for what needs it, and the first page asks for none of it."""

import re
from collections.abc import Callable

import pytest

from local_model.resident import Resident
from tests.browser.serving import serving
from tests.visitor import Visitor

# Streamlit imports the first two where it sees a table, or looks for one; the others are ours.
HEAVY = {"pandas", "pyarrow", "alembic", "prometheus_client", "psycopg", "sqlalchemy.dialects.postgresql", "xllamacpp"}


@pytest.fixture
def imported(tmp_path) -> Callable[..., set[str]]:
    """Return a function that starts the app with some settings, opens its page, and returns what of `HEAVY` was imported meanwhile."""

    def start(**settings: str) -> set[str]:
        with serving(tmp_path / "app.log", {"PYTHONPROFILEIMPORTTIME": "1", **settings}) as site, Visitor(site.url) as visitor:
            assert visitor.sheet, "the page is not there"
            names = {f"{name}." for name in re.findall(r"^import time:.*\| +(\S+)$", site.log, re.MULTILINE)}
            return {heavy for heavy in HEAVY if any(name.startswith(f"{heavy}.") for name in names)}

    return start


@pytest.mark.slow
def test_a_start_and_its_first_page_import_nothing_heavy(imported):
    assert imported() == {"alembic", "sqlalchemy.dialects.postgresql"}, "a database that is made now is migrated; nothing else is due"
    assert imported() == set()


@pytest.mark.slow
def test_counting_is_imported_where_it_is_wanted(imported):
    assert "prometheus_client" in imported(PLAYGROUND_METRICS="1")


def test_the_local_model_is_left_alone_until_somebody_asks_it(tmp_path):
    (tmp_path / "broken.gguf").write_bytes(b"no model")
    model = Resident({"LOCAL_MODEL": str(tmp_path / "broken.gguf")})
    model.start(after=600)
    assert model.look_up().off is None, "nobody has looked at it yet"
    assert model.engine(60) is None
    assert model.look_up().off is not None
    model.close()
