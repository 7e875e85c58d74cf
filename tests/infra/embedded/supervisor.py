"""A process that runs embedded servers until it is killed, for tests that kill it.

`python -m tests.infra.embedded.supervisor DATA_DIR [UID [PACKAGES]]` prints one JSON line once they answer:
the addresses and process ids, or the reason why there are none.
"""

import asyncio
import json
import os
import sys
from pathlib import Path

import asyncpg  # noqa: F401 (before the change of user: afterwards the files may be out of reach)

from app.infra.embedded import EmbeddedError, EmbeddedServers


async def run(data_dir: Path) -> None:
    servers = EmbeddedServers(data_dir)
    try:
        await servers.start()
    except EmbeddedError as error:
        print(json.dumps({"refused": str(error)}), flush=True)
        return
    told = {"database_url": servers.database_url, "redis_url": servers.redis_url, "pids": servers.pids}
    print(json.dumps(told), flush=True)
    await servers.watch()


def become(uid: int) -> None:
    """Be another user from here on, in no group but a namesake's."""
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)


if __name__ == "__main__":
    if len(sys.argv) > 3:
        sys.path.insert(0, sys.argv[3])
    if len(sys.argv) > 2 and os.geteuid() == 0:
        os.chdir("/")
        become(int(sys.argv[2]))
    asyncio.run(run(Path(sys.argv[1])))
