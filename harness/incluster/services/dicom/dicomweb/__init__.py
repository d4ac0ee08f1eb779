"""The dicom-web-filter: DICOMweb with project filtering, and the mapping routes (services 7)."""

from harness.incluster.services.dicom.dicomweb.web_filter import DicomWebFilter

__all__ = ["DicomWebFilter"]
