"""archive/rendered.warc.gz: what a browser made of the page, as resources under URNs of the page's URL.

In a file of its own: it came neither over the wire, as what is in data.warc.gz, nor out of cleaning, as what is in
derived.warc.gz, so that a bundle cleaned anew takes it over as it is.
"""

from collections.abc import Iterator
from typing import Any

from tasks.bundle.cdxj import Row
from tasks.bundle.warc import Block, WarcFile, warc_date
from tasks.records import Capture, Rendered, Resource

__all__ = ["RENDERED", "rendered_facts", "write_resources"]

RENDERED = "rendered.warc.gz"


def write_resources(warc: WarcFile, capture: Capture) -> Iterator[tuple[Resource, str, Row]]:
    """Write each resource; gives it with its record's id and its index row."""
    for resource in capture.rendered.resources if capture.rendered else ():
        uri, mime = f"{resource.urn}{capture.final_url}", resource.media_type.partition(";")[0]
        fields = [("WARC-Target-URI", uri), ("Content-Type", resource.media_type)]
        fields.append(("WARC-Payload-Digest", resource.digest))
        with resource.body.open() as body:
            block = Block(body, resource.body.size, resource.digest, stored=mime.startswith("image/"))
            placed = warc.add("resource", fields, block, date=resource.made_at)
        row = Row(
            *(uri, resource.made_at, mime, 200, resource.digest),
            *(warc.name, placed.offset, placed.length, placed.digest),
        )
        yield resource, placed.record_id, row


def rendered_facts(capture: Capture, rendered: Rendered) -> dict[str, Any]:
    """The object `rendered` of what provenance.json says of the capture."""
    return {
        "product": rendered.product,
        "agent": rendered.agent,
        "title": rendered.title,
        "flags": list(rendered.flags),
        "overlays": list(rendered.overlays),
        "refused": [{"url": one.url, "reason": one.reason} for one in rendered.refused],
        "resources": [
            {
                "url": f"{resource.urn}{capture.final_url}",
                "media_type": resource.media_type,
                "digest": resource.digest,
                "bytes": resource.body.size,
                "date": warc_date(resource.made_at),
            }
            for resource in rendered.resources
        ],
    }
