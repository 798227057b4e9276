"""Run another program that ends when the process that started it dies, as an unprivileged user if asked.

    python leash.py SIGNAL PARENT USER PROGRAM [ARGUMENT...]

The kernel sends SIGNAL (a number) to PROGRAM when PARENT dies, even of `kill -9` (Linux only). USER is "-" for no
change. Imports nothing of the project and is run with `-I -S`, to start fast. The kernel takes the calling thread for
the parent: that thread has to outlive PROGRAM.
"""

import ctypes
import os
import pwd
import signal
import sys

PR_SET_PDEATHSIG = 1


def drop_privileges(user: str) -> None:
    """Drop root. Before `set_death_signal`: a change of user clears the signal."""
    entry = pwd.getpwnam(user)
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)


def set_death_signal(parent: int, signal_number: int) -> None:
    """Have the kernel send `signal_number` when `parent` dies; exit if it has died already."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(1)


def restore_signals() -> None:
    """Undo what Python ignores, and what a shell ignores in a background job (SIGINT): both would be inherited."""
    for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)


def main(signal_number: str, parent: str, user: str, *command: str) -> None:
    if user != "-":
        drop_privileges(user)
    set_death_signal(int(parent), int(signal_number))
    restore_signals()
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}")


if __name__ == "__main__":
    main(*sys.argv[1:])
