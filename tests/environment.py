"""Loaded before Django's settings: gives each test process its own corner of the servers that `make test` started."""

import gc
import os
import sys

if "DATABASE_URL" not in os.environ or "REDIS_URL" not in os.environ:
    sys.exit("Tests need their servers: run `make test`, or `python -m devtools.with_servers pytest`.")

worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
redis_server = os.environ["REDIS_URL"].rsplit("/", 1)[0]
os.environ |= {
    "REDIS_URL": f"{redis_server}/{int(worker) + 1}",
    # A test database can be dropped only when no pool holds on to it.
    "DATABASE_POOL_SIZE": "0",
    # The cheapest legal hash: the suite checks what is hashed, not how slowly.
    "ARGON2_MEMORY_KIB": "64",
    "LOG_LEVEL": "WARNING",
}
# Tests leave much behind that lives on: looking through all of it at every turn takes a tenth of the time.
gc.set_threshold(100_000, 20, 100)
