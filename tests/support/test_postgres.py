"""The database finder: every test gets an empty database, and a private cluster ends with the run that started it."""

import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import create_engine, inspect, text

from tests.support.postgres import PostgresServer, find_server, programs
from tests.support.waiting import until

pytestmark = pytest.mark.postgres


def tables(url: str) -> list[str]:
    engine = create_engine(url)
    try:
        return inspect(engine).get_table_names()
    finally:
        engine.dispose()


def fill(url: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE trace (n integer)"))
    engine.dispose()


@pytest.mark.parametrize("turn", [1, 2])
def test_each_test_has_an_empty_database(postgres_url: str, turn: int) -> None:
    assert tables(postgres_url) == []
    fill(postgres_url)
    assert tables(postgres_url) == ["trace"], turn


def test_the_database_is_dropped_even_while_in_use(postgres_server: PostgresServer) -> None:
    with postgres_server.database() as url:
        connection = psycopg.connect(url.replace("+psycopg", ""))
    with pytest.raises(psycopg.OperationalError):
        connection.execute("SELECT 1")
    connection.close()
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(url.replace("+psycopg", ""))


def test_it_drops_only_what_it_made(postgres_server: PostgresServer) -> None:
    with pytest.raises(ValueError, match="only databases made by create"):
        postgres_server.drop(postgres_server.admin.render_as_string(hide_password=False))


def test_a_private_cluster_ends_with_the_run_that_started_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if programs() is None:
        pytest.skip("PostgreSQL's programs are not here. To enable this test: apt-get install postgresql")
    monkeypatch.delenv("CASE_SYSTEM_TEST_POSTGRES", raising=False)
    monkeypatch.setattr("tests.support.postgres._usable_local", lambda: None)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as controller:
        server = find_server(tmp_path, controller.pid)
        assert find_server(tmp_path, controller.pid) == server, "a second worker finds the same cluster"
        with server.database() as url:
            assert tables(url) == []
    # Leaving the block closed the controller's input, which ended it.
    until(lambda: not tmp_path.exists())
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(server.admin.set(drivername="postgresql").render_as_string(hide_password=False))
