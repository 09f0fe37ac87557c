"""Where bundles live: a folder or an S3 bucket."""
