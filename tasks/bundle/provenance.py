"""What provenance.json says of the capture: request headers, addresses, certificates, clock.

All of it is in the Capture record, so that the same capture gives the same bytes; a derived bundle takes it over from
its parent, because a WARC does not hold all of it.
"""

import base64
import dataclasses
from collections.abc import Mapping
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from tasks.bundle.jsons import json_line
from tasks.bundle.rendered import rendered_facts
from tasks.records import Capture, Digest, Exchange, Requisites, Tls, digest_of

__all__ = ["capture_facts", "settings_digest"]


def settings_digest(settings: Mapping[str, Any]) -> Digest:
    """The digest of the settings that decided a bundle: of their canonical JSON on one line."""
    return digest_of(json_line(dict(settings)))


def capture_facts(capture: Capture) -> dict[str, Any]:
    """The object `capture` of provenance.json; each distinct certificate stands in it once."""
    exchanges, robots = (*capture.exchanges, *capture.beside), capture.robots
    sessions = [exchange.tls for exchange in exchanges if exchange.tls]
    certificates = {digest_of(der): der for session in sessions for der in session.chain}
    clock = capture.clock
    return {
        "clock": {"source": clock.source, "synchronized": clock.synchronized} if clock else None,
        "exchanges": [_exchange(exchange) for exchange in exchanges],
        "certificates": [
            {"digest": digest, "der": base64.b64encode(der).decode()} for digest, der in certificates.items()
        ],
        **({"requisites": _requisites(capture.requisites)} if capture.requisites else {}),
        **({"robots": dataclasses.asdict(robots)} if robots else {}),
        **({"rendered": rendered_facts(capture, capture.rendered)} if capture.rendered else {}),
        **({"not_rendered": capture.not_rendered} if capture.not_rendered else {}),
        **({"probe": dataclasses.asdict(capture.probe)} if capture.probe else {}),
    }


def _requisites(found: Requisites) -> dict[str, Any]:
    return {"wanted": found.wanted, "missing": [{"url": one.url, "reason": one.reason} for one in found.missing]}


def _exchange(exchange: Exchange) -> dict[str, Any]:
    line, *headers = exchange.request.decode("latin-1").partition("\r\n\r\n")[0].split("\r\n")
    pairs = [header.partition(":") for header in headers]
    return {
        "url": exchange.url,
        "started_at": f"{exchange.started_at:%Y-%m-%dT%H:%M:%S.%fZ}",
        "address": exchange.ip,
        "request": {"line": line, "headers": [[name, value.removeprefix(" ")] for name, _, value in pairs]},
        "drift_ms": _drift_ms(exchange),
        "skew_s": _skew_s(exchange),
        "tls": _tls(exchange.tls) if exchange.tls else None,
    }


def _tls(tls: Tls) -> dict[str, Any]:
    chain = [digest_of(der) for der in tls.chain] or [tls.certificate_sha256]
    return {"version": tls.version, "cipher": tls.cipher, "chain": chain, "chain_is": tls.chain_is}


def _drift_ms(exchange: Exchange) -> int | None:
    """How much longer the exchange took by the wall clock than by the monotonic one; None where nobody looked."""
    if exchange.ended_at is None or exchange.elapsed_s is None:
        return None
    return round((exchange.ended_at - exchange.started_at).total_seconds() * 1000) - round(exchange.elapsed_s * 1000)


def _skew_s(exchange: Exchange) -> int | None:
    """How far the server's clock (header Date, whole seconds) was ahead of ours when its answer began."""
    if exchange.first_byte_s is None:  # of another tool's capture
        return None
    try:
        theirs = parsedate_to_datetime(exchange.header("date"))
        ours = exchange.started_at + timedelta(seconds=exchange.first_byte_s or 0)
        return int((theirs - ours.replace(microsecond=0)).total_seconds())
    except (ValueError, TypeError, OverflowError):  # no Date, or none that means a moment
        return None
