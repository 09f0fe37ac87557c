"""The lake: the catalog as Parquet segments in the store, for DuckDB, Athena, Spark and Trino.

Derived: v1/index/ may be deleted and published again. A snapshot lists the segments that hold just the rows of the
store at one moment; who reads takes the newest one. pyarrow, the extra `lake`, is needed to publish only.
"""
