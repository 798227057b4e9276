"""Become another program that ends with the process that started it, as an unprivileged user if asked.

    python leash.py SIGNAL PARENT USER PROGRAM [ARGUMENT...]

The kernel sends SIGNAL (a number) to PROGRAM when PARENT dies, even of `kill -9` (Linux only; elsewhere this
part is left out). USER is "-" for no change. It imports nothing of the project and is run with `-I -S`, because
it has to start fast. For the kernel the parent is the thread that called: that one has to outlive PROGRAM.
"""

import ctypes
import os
import pwd
import signal
import sys

PR_SET_PDEATHSIG = 1


def become(user: str) -> None:
    """Give up root for good. Before `end_with`: a change of user clears the wish for a signal."""
    entry = pwd.getpwnam(user)
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)


def end_with(parent: int, signal_number: int) -> None:
    """Ask for `signal_number` at the death of `parent`, which may already have died meanwhile."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(1)


def restore_signals() -> None:
    """Undo what Python ignores for itself: ignored signals would stay ignored in the program."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)


def main(signal_number: str, parent: str, user: str, *command: str) -> None:
    """Put the leash on and become the program; on failure end with a message."""
    if user != "-":
        become(user)
    end_with(int(parent), int(signal_number))
    restore_signals()
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}")


if __name__ == "__main__":
    main(*sys.argv[1:])
