"""Prefect's HTTP API, as far as health, metrics and the automation for lost runs need it; without Prefect itself."""

import base64
import http.client
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tasks.errors import TransientError

__all__ = ["LOST_AUTOMATION", "LOST_RUNS", "LOST_S", "PrefectApi", "PrefectUnavailable", "api_of"]

OUR_FLOWS = ("archive", "audit", "publish", "reclean", "watch", "watch-wide")
LOCKED_WAITS_S = (0.25, 0.5, 1.0)
LOST_S = 540  # without a heartbeat (one each 180 s): three missed
LOST_RUNS = "tearsheet: runs that stopped beating have crashed"


class PrefectUnavailable(TransientError):
    """The Prefect server does not answer, or not as it should."""

    code = "prefect-unavailable"


@dataclass(frozen=True, slots=True)
class PrefectApi:
    """The API at `url` (ending in /api); `auth` is user:password where the server asks for it."""

    url: str
    auth: str = ""
    timeout_s: float = 5.0

    def ask(self, path: str, body: Any = None) -> Any:
        """The JSON that a GET, or with a `body` a POST, of `path` answers. Raises PrefectUnavailable.

        A server on SQLite answers 503, and does nothing, while its database is locked: it is asked again.
        """
        for wait_s in LOCKED_WAITS_S:
            try:
                return self._ask(path, body)
            except PrefectUnavailable as error:
                if error.code != "503":
                    raise
            time.sleep(wait_s)
        return self._ask(path, body)

    def _ask(self, path: str, body: Any) -> Any:
        headers = {"Content-Type": "application/json"}
        if self.auth:
            headers["Authorization"] = "Basic " + base64.b64encode(self.auth.encode()).decode()
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers)  # noqa: S310 a setting names it
        try:
            with _OPENER.open(request, timeout=self.timeout_s) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                what = f"the Prefect server answered {error.code}"
                remedy = _REMEDIES.get(error.code, "Read the server's log")
                raise PrefectUnavailable(what, where=self.url + path, remedy=remedy, code=str(error.code)) from None
        except json.JSONDecodeError:  # such as the UI's page, which answers for every path that there is not
            what = "what answers is not Prefect's API"
            raise PrefectUnavailable(what, where=self.url + path, remedy=_REMEDIES[404]) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            what = f"no Prefect server answers: {error}"
            raise PrefectUnavailable(what, where=self.url, remedy="Start it: `tearsheet up`") from None

    def healthy(self) -> bool:
        """Whether the server answers."""
        try:
            return self.ask("/health") is True
        except TransientError:
            return False

    def deployments(self) -> dict[str, dict[str, Any]]:
        """The deployments of flows of ours by full name, such as archive/default."""
        ours = {"flows": {"name": {"any_": list(OUR_FLOWS)}}}  # a server that others use may have thousands
        flows = {row["id"]: row["name"] for row in self._pages("/flows/filter", ours)}
        rows = self._pages("/deployments/filter", ours)
        return {f"{flows[row['flow_id']]}/{row['name']}": row for row in rows if row["flow_id"] in flows}

    def _pages(self, path: str, wanted: Mapping[str, Any], size: int = 200) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while True:
            page = self.ask(path, {**wanted, "limit": size, "offset": len(found)})
            found += page
            if len(page) < size:
                return found

    def last_run(self, deployment: str) -> dict[str, Any] | None:
        """The newest ended run of the deployment with this id."""
        ended = {"type": {"any_": ["COMPLETED", "FAILED", "CRASHED", "CANCELLED"]}}
        wanted = {"deployment_id": {"any_": [deployment]}, "state": ended}
        rows = self.ask("/flow_runs/filter", {"flow_runs": wanted, "sort": "END_TIME_DESC", "limit": 1})
        return rows[0] if rows else None

    def runs_by_state(self, deployment: str) -> dict[str, int]:
        """How many runs of the deployment with this id are in each state, by its type."""
        found = {}
        for state in ("SCHEDULED", "PENDING", "RUNNING", "COMPLETED", "FAILED", "CRASHED", "CANCELLED"):
            wanted = {"deployment_id": {"any_": [deployment]}, "state": {"type": {"any_": [state]}}}
            found[state.lower()] = int(self.ask("/flow_runs/count", {"flow_runs": wanted}))
        return found

    def watch_for_lost_runs(self) -> bool:
        """See to the automation that marks runs Crashed whose heartbeats stopped; whether it had to be made."""
        named = {"automations": {"name": {"any_": [LOST_RUNS]}}}
        if self.ask("/automations/filter", named):
            return False
        self.ask("/automations/", LOST_AUTOMATION)
        return True


_REMEDIES = {401: "Set PREFECT_API_AUTH_STRING", 404: "Look at PREFECT_API_URL: it ends in /api"}
_ENDED = tuple(f"prefect.flow-run.{state}" for state in ("Completed", "Failed", "Cancelled", "Crashed"))
LOST_AUTOMATION = {
    "name": LOST_RUNS,
    "description": "A run whose process was killed says nothing any more: without this it stays Running for good.",
    "enabled": True,
    "trigger": {
        "type": "event",
        "posture": "Proactive",
        "after": ["prefect.flow-run.heartbeat"],
        "expect": ["prefect.flow-run.heartbeat", *_ENDED],
        "match": {"prefect.resource.id": ["prefect.flow-run.*"]},
        "for_each": ["prefect.resource.id"],
        "threshold": 1,
        "within": LOST_S,
    },
    "actions": [
        {
            "type": "change-flow-run-state",
            "state": "CRASHED",
            "message": f"no heartbeat for {LOST_S} s: its process is gone",
        }
    ],
}
# A server on loopback is never asked for through a proxy.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def api_of(environ: Mapping[str, str] = os.environ) -> PrefectApi | None:
    """The server that the environment names; None where it names none."""
    url = environ.get("PREFECT_API_URL", "").rstrip("/")
    return PrefectApi(url, environ.get("PREFECT_API_AUTH_STRING", "")) if url else None
