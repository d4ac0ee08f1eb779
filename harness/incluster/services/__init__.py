"""The platform's services as containers call them, emulated in one process.

The real parts (MinIO, Airflow, the registry) run beside it; these services are only called by extensions: identity,
access information, the DICOMweb filter with its archive, the DICOM receiver with the ingestion behind it,
metadata search, the backend, notifications and kube-helm (services 22). Each service has a folder, whose ``routes`` is
what it answers; what stands beside the folders, all of them use.
"""
