"""What Prefect runs, one file a flow, and the command line."""
