"""The operating-system user that the servers run as.

PostgreSQL refuses to run as root: started by root, both servers run as the user
`postgres` if there is one, else as `nobody`.
"""

import os
import pwd
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from app.infra.embedded.failure import EmbeddedError


class Credentials(TypedDict):
    """Of a child process; None where it keeps its parent's."""

    user: int | None
    group: int | None
    extra_groups: list[int] | None


@dataclass(frozen=True)
class Account:
    """A user of the machine; `dropped` says that it is not the one who started Deskbell."""

    name: str
    uid: int
    gid: int
    dropped: bool

    def credentials(self) -> Credentials:
        """The arguments of `subprocess` that make a child this user; none to leave it as it is."""
        if not self.dropped:
            return Credentials(user=None, group=None, extra_groups=None)
        return Credentials(user=self.uid, group=self.gid, extra_groups=[])

    def can_run(self, binary: Path) -> bool:
        """Whether this user reaches and may execute the file."""
        return self._test("-x", binary)

    def can_enter(self, directory: Path) -> bool:
        """Whether this user reaches the directory and may go through it."""
        return self._test("-x", directory)

    def own(self, directory: Path) -> Path:
        """Make the directory, if it is missing, and let only this user in. Its parent must exist.

        Raises EmbeddedError if something else is in its place.
        """
        directory.mkdir(mode=0o700, exist_ok=True)
        found = directory.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (self.uid, os.geteuid()):
            raise EmbeddedError(
                f"{directory} belongs to another user: run Deskbell as that user, or set "
                "DESKBELL_DATA_DIR to another directory."
            )
        if found.st_mode & 0o077:
            directory.chmod(0o700)
        if self.dropped and found.st_uid != self.uid:
            os.chown(directory, self.uid, self.gid, follow_symlinks=False)
        return directory

    def _test(self, condition: str, path: Path) -> bool:
        # Asked of the kernel as that user: directory modes alone would miss access lists.
        done = subprocess.run(
            ["/bin/sh", "-c", 'test "$1" "$2"', "sh", condition, str(path)],
            cwd="/",
            check=False,
            **self.credentials(),
        )
        return done.returncode == 0


def server_account() -> Account:
    """The user for the servers. Raises EmbeddedError if the machine has no fitting one."""
    if os.geteuid() != 0:
        try:
            entry = pwd.getpwuid(os.geteuid())
        except KeyError:
            raise EmbeddedError(
                f"User id {os.geteuid()} has no entry in /etc/passwd, without which PostgreSQL "
                "does not run: add one, or set DESKBELL_DATABASE_URL and DESKBELL_REDIS_URL."
            ) from None
        return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, dropped=False)
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, dropped=True)
    raise EmbeddedError(
        "PostgreSQL does not run as root and there is no user postgres or nobody: add one, "
        "run Deskbell as another user, or set DESKBELL_DATABASE_URL and DESKBELL_REDIS_URL."
    )
