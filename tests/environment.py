"""Loaded before Django's settings: gives each test process its own Redis database on the test servers."""

import gc
import os
import sys

if "DATABASE_URL" not in os.environ or "REDIS_URL" not in os.environ:
    sys.exit("Tests need their servers: run `make test`, or `python -m devtools.with_servers pytest`.")

worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
redis_server = os.environ["REDIS_URL"].rsplit("/", 1)[0]
os.environ |= {
    "REDIS_URL": f"{redis_server}/{int(worker) + 1}",
    # A pooled connection would prevent dropping the test database.
    "DATABASE_POOL_SIZE": "0",
    # The cheapest hash that Argon2 allows.
    "ARGON2_MEMORY_KIB": "64",
    "LOG_LEVEL": "WARNING",
}
# Frequent collections take a tenth of the time.
gc.set_threshold(100_000, 20, 100)
