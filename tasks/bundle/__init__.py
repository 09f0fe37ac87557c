"""Pack and verify: one WACZ file that holds everything."""
