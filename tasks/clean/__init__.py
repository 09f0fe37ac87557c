"""Clean: strip clutter from a copy of the page and account for every removal."""
