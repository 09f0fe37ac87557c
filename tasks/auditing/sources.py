"""Whether a file of another tool, kept under its digest, still has it."""

from tasks.auditing.bundles import Checked, digest_stored
from tasks.auditing.codes import Finding
from tasks.errors import FixityError, NotFound, StoreRefused, StoreUnavailable
from tasks.store import Store

__all__ = ["check_source"]


def check_source(store: Store, sha256: str, key: str, level: str) -> Checked:
    """The source `sha256` (hex): as the server recorded it at the level checksum, as it reads at the level full."""
    wanted = f"sha256:{sha256}"
    try:
        if level == "full":
            size, found = digest_stored(store, key)
        else:
            size, found = 0, store.objects.stat(key).sha256 or ""
    except NotFound:
        return Checked(sha256)  # deleted since it was listed
    except FixityError as error:
        return Checked(sha256, (Finding("source-digest", key, found=error.what),))
    except (StoreUnavailable, StoreRefused) as error:
        finding = Finding("unreadable", key, found=error.what)
        return Checked(sha256, (finding,), down=isinstance(error, StoreUnavailable))
    if not found:
        return Checked(sha256, untold=1)
    findings = () if found == wanted else (Finding("source-digest", key, expected=wanted, found=found),)
    return Checked(sha256, findings, size, read=level == "full")
