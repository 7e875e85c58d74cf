"""What `serve` says to its server processes by signals of its own."""

import signal

HAND_OVER = signal.SIGUSR1
"""Leave the port to the others at once, and then end as on SIGTERM."""
