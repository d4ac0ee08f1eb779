"""DICOM: the receiver with the ingestion behind it, the archive, and the filter in front of it (services 6 to 8)."""
