"""Each test here runs over SQLite and over PostgreSQL: one storage contract, two databases.

A case system with its staff is laid once for each database in a process, and copied for each test.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from case_system.keyfolder import KeyFolder
from case_system.store.engine import open_engine
from tests.support.agency import Agency, StillClock
from tests.support.postgres import PostgresServer


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def kind(request: pytest.FixtureRequest) -> str:
    """Which database."""
    return str(request.param)


@pytest.fixture
def url(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database."""
    if kind == "sqlite":
        return f"sqlite:///{tmp_path / 'case.db'}"
    address: str = request.getfixturevalue("postgres_url")
    return address


@pytest.fixture(scope="session")
def laid_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the file and the keys of a case system with staff."""
    folder = tmp_path_factory.mktemp("laid-sqlite")
    Agency.found(f"sqlite:///{folder / 'case.db'}", folder).engine.dispose()
    return folder


@pytest.fixture(scope="session")
def laid_postgres(
    postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Path]]:
    """The address of a database of a case system with staff, and the folder of its keys."""
    folder = tmp_path_factory.mktemp("laid-postgres")
    with postgres_server.database() as address:
        Agency.found(address, folder).engine.dispose()
        yield address, folder


@pytest.fixture
def agency(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Agency]:
    """A case system with staff."""
    if kind == "sqlite":
        laid: Path = request.getfixturevalue("laid_sqlite")
        shutil.copyfile(laid / "case.db", tmp_path / "case.db")
        made = _over(f"sqlite:///{tmp_path / 'case.db'}", laid, tmp_path)
        yield made
        made.engine.dispose()
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    address, laid = request.getfixturevalue("laid_postgres")
    with server.database(like=address) as url:
        made = _over(url, laid, tmp_path)
        yield made
        made.engine.dispose()


def _over(url: str, laid: Path, folder: Path) -> Agency:
    shutil.copytree(laid / "keys", folder / "keys")
    return Agency.over(url, open_engine(url), KeyFolder(folder / "keys"), StillClock())
