"""Install what the test of the deployment needs, or say loudly that it is left out."""

import os

from devtools.containers import LEFT_OUT, missing_programs
from devtools.packages import install

if missing_programs() and os.geteuid() == 0:
    print("Installing Docker for the test of the deployment…", flush=True)
    install("docker.io", "docker-compose", "debootstrap")
if missing_programs():
    print(LEFT_OUT.format(", ".join(missing_programs())), flush=True)
