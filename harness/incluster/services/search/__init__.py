"""OpenSearch: the index of series with their metadata (services 11)."""
