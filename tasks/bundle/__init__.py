"""Pack, verify, read: one WACZ file that holds everything. FORMAT.md tells readers without this program how."""
