"""The columns of a segment: Common Crawl's names where the values are the same, then ours."""

from typing import Any

from tasks.errors import MissingPart

__all__ = ["COLUMNS", "ORDER", "arrow", "arrow_schema"]

# Name and type, as SQL engines spell it (Hive, Athena, Spark).
COLUMNS = (
    ("url_surtkey", "string"),
    ("url", "string"),
    ("url_host_name", "string"),
    ("url_host_tld", "string"),
    ("url_protocol", "string"),
    ("url_port", "int"),
    ("url_path", "string"),
    ("url_query", "string"),
    ("fetch_time", "timestamp"),
    ("fetch_status", "smallint"),
    ("content_mime_type", "string"),
    ("asked_url", "string"),
    ("canonical_url", "string"),
    ("language", "string"),
    ("title", "string"),
    ("authors", "array<string>"),
    ("published", "string"),
    ("section", "string"),
    ("site", "string"),
    ("words", "bigint"),
    ("text_sha256", "string"),
    ("verdict", "string"),
    ("verdict_reasons", "array<string>"),
    ("bundle_id", "string"),
    ("bundle_key", "string"),
    ("bundle_sha256", "string"),
    ("bundle_bytes", "bigint"),
    ("manifest_key", "string"),
    ("parent", "string"),
    ("previous", "string"),
    ("tombstoned", "boolean"),
)
ORDER = ("url_surtkey", "fetch_time", "bundle_id")  # of the rows; never null


def arrow() -> Any:
    """pyarrow with its Parquet part. MissingPart where it is not installed."""
    try:
        import pyarrow
        import pyarrow.compute
        import pyarrow.parquet
    except ImportError:
        raise MissingPart(
            "pyarrow is not installed, which writes Parquet",
            where="catalog publish",
            remedy="`pip install 'tearsheet[lake]'`",
        ) from None
    return pyarrow


def arrow_schema() -> Any:
    """COLUMNS for pyarrow. Times in milliseconds: not every engine reads nanoseconds."""
    pa = arrow()
    kinds = {
        "string": pa.string(),
        "smallint": pa.int16(),
        "int": pa.int32(),
        "bigint": pa.int64(),
        "boolean": pa.bool_(),
        "timestamp": pa.timestamp("ms", tz="UTC"),
        "array<string>": pa.list_(pa.string()),
    }
    return pa.schema([pa.field(name, kinds[kind], nullable=name not in ORDER) for name, kind in COLUMNS])
