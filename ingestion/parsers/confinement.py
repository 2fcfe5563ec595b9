"""What the reading process takes away from itself before it opens a file: network, other files, programs, resources.

Linux only, through ctypes; nothing here imports more than the standard library, because it runs before everything else.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import signal
import struct
from collections.abc import Iterable
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_CLONE_THREAD = 0x10000
_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 22, 38
_SECCOMP_MODE_FILTER = 2

# linux/landlock.h
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_READ_FILE, _READ_DIR, _EXECUTE = 1 << 2, 1 << 3, 1 << 0
_ALL_FILE_RIGHTS_ABI1 = (1 << 13) - 1

# System call numbers: (socket, execve, execveat, ptrace, io_uring_setup, clone3, clone, fork, vfork); the last two are x86's.
_ARCHITECTURES = {
    "x86_64": (0xC000003E, (41, 59, 322, 101, 425), 435, 56, (57, 58)),
    "aarch64": (0xC00000B7, (198, 221, 281, 117, 425), 435, 220, ()),
}
_ALLOW, _DENY, _UNKNOWN_CALL = 0x7FFF0000, 0x00050000 | 1, 0x00050000 | 38  # EPERM, ENOSYS


def leave_network() -> bool:
    """Move this (single-threaded) process into a network namespace of its own, with nothing in it. False if not allowed."""
    flags = _CLONE_NEWNET if os.geteuid() == 0 else _CLONE_NEWNET | _CLONE_NEWUSER
    return _libc.unshare(flags) == 0 or (flags == _CLONE_NEWNET and _libc.unshare(flags | _CLONE_NEWUSER) == 0)


def die_with_parent(parent: int) -> None:
    """Be killed when the parent ends; end now if it has ended already, for then the signal will not come."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def limit_resources(*, memory: int, cpu_seconds: int) -> None:
    """`memory` in bytes of address space. No file can be written, no core dumped."""
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 2))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def forbid_new_privileges() -> None:
    _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def forbid_files(readable: Iterable[Path]) -> bool:
    """Landlock: from here on only these files and folders can be read, and nothing written. False where the kernel has none."""
    attributes = struct.pack("<Q", _ALL_FILE_RIGHTS_ABI1)
    ruleset = _libc.syscall(_LANDLOCK_CREATE, attributes, ctypes.c_size_t(len(attributes)), 0)
    if ruleset < 0:
        return False
    try:
        for path in readable:
            _allow_reading(ruleset, path)
        return bool(_libc.syscall(_LANDLOCK_RESTRICT, ruleset, 0) == 0)
    finally:
        os.close(ruleset)


def _allow_reading(ruleset: int, path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        rights = _READ_FILE | _READ_DIR if path.is_dir() else _READ_FILE
        _libc.syscall(_LANDLOCK_ADD, ruleset, 1, struct.pack("<Qi", rights, descriptor), 0)
    finally:
        os.close(descriptor)


def forbid_calls() -> bool:
    """A seccomp filter: no sockets, no new programs or processes (threads may be). False on an unknown architecture."""
    known = _ARCHITECTURES.get(platform.machine())
    if known is None:
        return False
    program = _filter(*known)
    code = ctypes.create_string_buffer(b"".join(program), sum(map(len, program)))
    header = struct.pack("HxxxxxxP", len(program), ctypes.addressof(code))
    return _libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, header, 0, 0) == 0


def _filter(audit: int, denied: tuple[int, ...], clone3: int, clone: int, forks: tuple[int, ...]) -> list[bytes]:
    """The filter as classic BPF: load a word of the call's description, compare, return a verdict."""

    def op(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
        return struct.pack("HBBI", code, if_true, if_false, value)

    load, equal, at_least, any_bit, verdict = 0x20, 0x15, 0x35, 0x45, 0x06
    program = [op(load, 4), op(equal, audit, 1, 0), op(verdict, _DENY), op(load, 0)]
    program += [op(at_least, 0x40000000, 0, 1), op(verdict, _DENY)]  # the same calls under x86's second set of numbers
    for number in (*denied, *forks):
        program += [op(equal, number, 0, 1), op(verdict, _DENY)]
    program += [op(equal, clone3, 0, 1), op(verdict, _UNKNOWN_CALL)]  # the C library then uses clone, whose flags can be read
    program += [op(equal, clone, 0, 3), op(load, 16), op(any_bit, _CLONE_THREAD, 1, 0), op(verdict, _DENY), op(verdict, _ALLOW)]
    return program
