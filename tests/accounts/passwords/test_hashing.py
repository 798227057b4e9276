"""The cost of a password hash in production (PWD-05)."""

import os
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[3]
HASH = """
import time
import django
django.setup()
from django.contrib.auth.hashers import make_password
began = time.process_time()
print(make_password("une-phrase-du-bureau-bleu"), time.process_time() - began)
"""


def test_a_hash_of_production_is_strong_and_made_within_a_second():
    """PWD-05: OWASP's 46 MiB, one pass, by default; tests use the cheapest. CPU time, so that other processes do not count."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ARGON2")}
    line = [sys.executable, "-c", HASH]
    done = subprocess.run(line, cwd=PROJECT, env=environment, capture_output=True, text=True, check=True, timeout=60)
    hashed, seconds = done.stdout.split()
    assert hashed.startswith("argon2$argon2id$v=19$m=47104,t=1,p=1$")
    assert float(seconds) < 1.0


def test_the_documentation_says_what_memory_hashes_need():
    """PWD-05: memory of a hash, times the processes, times the connections of each."""
    section = (PROJECT / "docs/configuration.md").read_text().partition("## Password hash")[2].partition("\n## ")[0]
    assert "46 MiB, t=1, p=1" in section
    assert f"`DATABASE_POOL_SIZE=4` that is {46 * 2 * 4} MiB" in section
