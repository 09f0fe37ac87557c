"""What the store holds, as folders for others: a BagIt bag of bundles, or articles as Markdown with front matter.

Every bundle is fetched, verified in full with its manifest, and only then given out; one that does not verify is left
out and told. A folder appears under its name only when it is complete.
"""

from tasks.exporting.bagit import export_bag
from tasks.exporting.choose import Selection, selected
from tasks.exporting.markdown import export_markdown
from tasks.exporting.report import Exported, Report

__all__ = ["Exported", "Report", "Selection", "export_bag", "export_markdown", "selected"]
