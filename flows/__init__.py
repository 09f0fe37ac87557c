"""What Prefect runs, one file a flow, and the command line.

Prefect's telemetry is switched off here, before any flow's module imports it, and in every process started from it.
The server that Prefect starts in passing, where none is named, takes some 20 s on a slow machine: its own limit.
"""

import os

os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
# A server on SQLite may wait 60 s for its database. A client that gives up then, as is Prefect's default, loses the
# reply, asks again, and is told that its run has ended: without the run's result.
os.environ.setdefault("PREFECT_API_REQUEST_TIMEOUT", "180")
os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "90")
