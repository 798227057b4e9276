"""Addresses of PostgreSQL and Redis mean what they say, tried on real servers."""

import os
from urllib.parse import urlsplit

import psycopg
import psycopg_pool
import pytest
import trustme
from django.conf import settings as portal
from django.db.utils import ConnectionHandler, OperationalError
from kombu import Connection
from kombu.exceptions import OperationalError as BrokerError
from limits.storage import RedisStorage
from psycopg.errors import ReadOnlySqlTransaction
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from config import services
from config.services import connection_pool
from devtools.processes import wait_until
from devtools.servers import PostgreSQL
from tests.concurrency import attempted_together
from tests.config.tls_relay import tls_relay

pytestmark = pytest.mark.processes
PORTAL_DATABASE = os.environ["DATABASE_URL"]


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def database_of(monkeypatch, django_db_blocker):
    """What a query answers on the database that Django's settings for a URL lead to."""

    def ask(url: str, query: str, *, size: int = 0) -> object:
        monkeypatch.setenv("DATABASE_URL", url)
        settings = services.database("DATABASE_URL", pool=connection_pool(size=size, threads=4))
        configured = ConnectionHandler({"default": settings})["default"]
        with django_db_blocker.unblock():
            try:
                with configured.cursor() as cursor:
                    cursor.execute(query)
                    return cursor.fetchone()[0]
            finally:
                configured.close()
                if size:
                    configured.close_pool()

    return ask


class TestPostgreSQL:
    def test_parameters_of_the_url_win_over_our_own_which_stay(self, monkeypatch):
        """AVL-06: libpq reads them all; `options=` is for PgBouncer, which takes none."""
        monkeypatch.setenv(
            "DATABASE_URL", "postgres://u:p%40ss@one:5432,two:5433/n?sslmode=verify-full&connect_timeout=9"
        )
        database = services.database("DATABASE_URL", pool=False)
        named = {name: database[name] for name in ("HOST", "PORT", "USER", "PASSWORD", "NAME")}
        assert named == {"HOST": "one,two", "PORT": "5432,5433", "USER": "u", "PASSWORD": "p@ss", "NAME": "n"}
        options = database["OPTIONS"]
        assert {"sslmode": "verify-full", "connect_timeout": "9", "tcp_user_timeout": 8_000}.items() <= options.items()
        assert "statement_timeout=5s" in options["options"]
        monkeypatch.setenv("DATABASE_URL", "postgresql:///n?host=/run/postgresql&options=")
        database = services.database("DATABASE_URL", pool=False)
        assert (database["HOST"], database["OPTIONS"]["options"]) == ("/run/postgresql", "")

    def test_tls_is_verified_as_the_url_asks(self, database_of, authority, tmp_path):
        """EML-05: of the connection that carries personal data."""
        url = urlsplit(PORTAL_DATABASE)
        authority.cert_pem.write_to_path(certificate := tmp_path / "authority.pem")
        with tls_relay(url.port, authority) as good, tls_relay(url.port, authority, name="other.example") as other:
            through = url._replace(netloc=f"{url.username}:{url.password}@127.0.0.1:{good}").geturl()
            wrong = url._replace(netloc=f"{url.username}:{url.password}@127.0.0.1:{other}").geturl()
            verified = f"?sslmode=verify-full&sslrootcert={certificate}"
            assert database_of(through + verified, "SELECT 1") == 1
            for refused in (f"{PORTAL_DATABASE}?sslmode=require", f"{through}?sslmode=verify-full", wrong + verified):
                with pytest.raises(OperationalError, match=r"SSL|certificate"):
                    database_of(refused, "SELECT 1")

    def test_with_several_hosts_the_one_that_takes_writes_is_used(self, database_of):
        """AVL-08: after a failover, without a change of settings; pooled connections too."""
        with PostgreSQL() as first, PostgreSQL() as second:
            password = urlsplit(first.url).password
            with psycopg.connect(second.url) as connection:
                connection.execute(f"ALTER ROLE portail PASSWORD '{password}'")
            hosts = f"127.0.0.1:{first.port},127.0.0.1:{second.port}"
            url = f"postgres://portail:{password}@{hosts}/portail?target_session_attrs=read-write"
            assert database_of(url, "SHOW port") == str(first.port)
            with psycopg.connect(first.url, autocommit=True) as connection:
                connection.execute("ALTER SYSTEM SET default_transaction_read_only = on")
                connection.execute("SELECT pg_reload_conf()")
            for size in (0, 2):
                assert database_of(url, "SHOW port", size=size) == str(second.port)
            first.stop()
            assert database_of(url, "SHOW port") == str(second.port)

    def test_a_pooled_connection_to_a_server_that_takes_no_writes_is_closed(self):
        """AVL-06: one that is kept would refuse every request after a failover."""
        with psycopg_pool.ConnectionPool(PORTAL_DATABASE, **connection_pool(size=1, threads=4), open=True) as pool:
            with pool.connection() as first:
                first.execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
            with pytest.raises(ReadOnlySqlTransaction), pool.connection() as kept:
                kept.execute("CREATE TABLE x ()")
            assert kept.closed
            with pool.connection() as following:
                assert following is not first

    def test_the_first_requests_of_all_threads_wait_for_the_pool_to_grow(self):
        """AVL-08: eight at once, just after `make run`, ended in errors."""
        with psycopg_pool.ConnectionPool(PORTAL_DATABASE, **connection_pool(size=4, threads=4), open=True) as pool:
            got = attempted_together(*[pool.getconn] * 4)
            assert [one for one in got if isinstance(one, Exception)] == []
            for one in got:
                pool.putconn(one)

    def test_a_full_queue_of_requests_that_have_given_up_does_not_keep_the_pool_from_reconnecting(self):
        """AVL-06: the process answered 503 until it was restarted."""
        options = connection_pool(size=2, threads=8) | {"timeout": 0.2, "reconnect_timeout": 0.5}
        options["check"] = psycopg_pool.ConnectionPool.check_connection
        with PostgreSQL() as server, psycopg_pool.ConnectionPool(server.url, **options, open=True) as pool:
            pool.wait()
            server.stop()
            assert all(isinstance(got, Exception) for got in attempted_together(*[pool.getconn] * 12))
            wait_until(
                lambda: not pool.get_stats()["pool_size"] or pool.get_stats()["connections_errors"] > 6, server.log
            )
            server.start()
            wait_until(lambda: not isinstance(attempted_together(pool.getconn)[0], Exception), server.log, seconds=10)


class TestRedis:
    def test_tls_is_verified_by_the_limits_and_by_celery_alike(self, monkeypatch, authority, tmp_path):
        """SUP-02"""
        url = urlsplit(portal.REDIS_URL)
        authority.cert_pem.write_to_path(certificate := tmp_path / "authority.pem")
        with tls_relay(url.port, authority) as port, tls_relay(url.port, authority, name="other.example") as other:
            for where, is_accepted in (
                (f"{port}/0?ssl_ca_certs={certificate}", True),
                (f"{port}/0", False),
                (f"{other}/0?ssl_ca_certs={certificate}", False),
            ):
                monkeypatch.setenv("REDIS_URL", f"rediss://:{url.password}@127.0.0.1:{where}")
                checked = services.redis_url("REDIS_URL")
                assert RedisStorage(checked, socket_timeout=5).check() == is_accepted
                address, options = services.celery_broker(checked)
                broker = Connection(address, ssl=options)
                with broker, Redis.from_url(checked) as client:
                    if is_accepted:
                        broker.ensure_connection(max_retries=0, timeout=5)
                        assert client.ping()
                    else:
                        with pytest.raises(BrokerError, match="CERTIFICATE"):
                            broker.ensure_connection(max_retries=0, timeout=5)
                        with pytest.raises(RedisConnectionError, match="CERTIFICATE"):
                            client.ping()
