"""Files of other tools, and bags and bundles of our own, taken into the store.

verify → scan → choose → rebuild → clean → pack → verify → store.

A file is refused as a whole, with nothing stored, when verify finds an error in it. What verify cannot decide (a
digest or signature of an unknown kind) refuses nothing; it is told. A file that is taken is kept as it is under
`v1/sources/`, before the first bundle that was made from it.
"""

from tasks.importing.bag import Bag, open_bag
from tasks.importing.report import FileReport, PageReport
from tasks.importing.take import Bench, import_files, open_bench

__all__ = ["Bag", "Bench", "FileReport", "PageReport", "import_files", "open_bag", "open_bench"]
