"""Local end-to-end tests for workflow extensions of Kaapana.

The names in ``__all__`` are public; so are the fixtures and options of the pytest plugin, the functions of
:mod:`harness.data`, the command line, and ``run.json``. Everything else may change in any version.

Importing this package is cheap, because the pytest plugin is loaded in every pytest run of a Python environment: a
public name loads its module when it is first used. This file is also read by interpreters that are too old for
everything else, before ``harness.bootstrap`` can report that: it has neither annotations nor imports that they lack.
"""

__version__ = "0.1.0"

__all__ = [
    "BuildError",
    "Cause",
    "CheckError",
    "ComparedLabel",
    "Comparison",
    "ContentItem",
    "Contour",
    "DagFileError",
    "Dice",
    "EncapsulatedPdf",
    "EngineError",
    "ExtensionError",
    "Finding",
    "FormError",
    "HarnessError",
    "ImageError",
    "InputDataError",
    "InstallError",
    "InstalledExtension",
    "JsonDocument",
    "Kaapana",
    "Link",
    "ManifestError",
    "Measurement",
    "MetadataDocuments",
    "MetricValue",
    "NotRemovedError",
    "Notification",
    "ObjectStore",
    "Objection",
    "Pacs",
    "ParametricMap",
    "PdfDocument",
    "Picture",
    "PlatformError",
    "Refusal",
    "Refusals",
    "Region",
    "Report",
    "Reports",
    "Run",
    "RunError",
    "RunImage",
    "SecondOpinion",
    "SecondaryCapture",
    "Segmentation",
    "SentNotifications",
    "SentObject",
    "SentObjects",
    "Series",
    "Settings",
    "Statistics",
    "StoredObject",
    "StoredObjects",
    "StructureSet",
    "StructuredReport",
    "SurfaceDistance",
    "Table",
    "TaskMetrics",
    "TaskResult",
    "Truth",
    "UsageError",
    "Verdict",
    "Volume",
    "read_input",
]

TYPE_CHECKING = False  # type checkers take it as true; typing itself is not loaded for it
if TYPE_CHECKING:
    from harness.api import Kaapana
    from harness.checks.captures import SecondaryCapture
    from harness.checks.codes import Region
    from harness.checks.comparison import ComparedLabel, Comparison
    from harness.checks.contours import Contour
    from harness.checks.distances import SurfaceDistance
    from harness.checks.encapsulated import EncapsulatedPdf
    from harness.checks.json_documents import JsonDocument
    from harness.checks.links import Link
    from harness.checks.masks import Volume
    from harness.checks.measurements import Measurement
    from harness.checks.overlap import Dice
    from harness.checks.parametric_map import ParametricMap
    from harness.checks.pdf import PdfDocument
    from harness.checks.pictures import Picture
    from harness.checks.report_content import ContentItem
    from harness.checks.reports import Report
    from harness.checks.second_opinion import Objection, SecondOpinion
    from harness.checks.segmentation import Segmentation
    from harness.checks.statistics import Statistics
    from harness.checks.structure_set import StructureSet
    from harness.checks.structured_reports import StructuredReport
    from harness.checks.tables import Table
    from harness.checks.verdict import Verdict
    from harness.data.reading import read_input
    from harness.data.series import Series, Truth
    from harness.errors import (
        BuildError,
        CheckError,
        DagFileError,
        EngineError,
        ExtensionError,
        FormError,
        HarnessError,
        ImageError,
        InputDataError,
        InstallError,
        ManifestError,
        NotRemovedError,
        PlatformError,
        RunError,
        UsageError,
    )
    from harness.findings import Finding
    from harness.installed import InstalledExtension
    from harness.plugin.fixtures import ObjectStore, Pacs
    from harness.run.metadata import MetadataDocuments
    from harness.run.metrics import MetricValue, TaskMetrics
    from harness.run.notifications import SentNotifications
    from harness.run.outputs import SentObject, SentObjects
    from harness.run.refusals import Refusal, Refusals
    from harness.run.results import Cause, Run, RunImage, TaskResult
    from harness.run.stored_objects import Reports, StoredObject, StoredObjects
    from harness.settings import Settings
    from harness.wire.notifications import Notification
else:
    # the same names once more, for the interpreter; tests/test_public_names.py compares the two
    _MODULES = {
        "harness.api": ["Kaapana"],
        "harness.checks.codes": ["Region"],
        "harness.checks.comparison": ["ComparedLabel", "Comparison"],
        "harness.checks.contours": ["Contour"],
        "harness.checks.distances": ["SurfaceDistance"],
        "harness.checks.masks": ["Volume"],
        "harness.checks.overlap": ["Dice"],
        "harness.checks.json_documents": ["JsonDocument"],
        "harness.checks.encapsulated": ["EncapsulatedPdf"],
        "harness.checks.pdf": ["PdfDocument"],
        "harness.checks.measurements": ["Measurement"],
        "harness.checks.report_content": ["ContentItem"],
        "harness.checks.structured_reports": ["StructuredReport"],
        "harness.checks.captures": ["SecondaryCapture"],
        "harness.checks.links": ["Link"],
        "harness.checks.parametric_map": ["ParametricMap"],
        "harness.checks.pictures": ["Picture"],
        "harness.checks.reports": ["Report"],
        "harness.checks.second_opinion": ["Objection", "SecondOpinion"],
        "harness.checks.segmentation": ["Segmentation"],
        "harness.checks.statistics": ["Statistics"],
        "harness.checks.structure_set": ["StructureSet"],
        "harness.checks.tables": ["Table"],
        "harness.checks.verdict": ["Verdict"],
        "harness.data.reading": ["read_input"],
        "harness.data.series": ["Series", "Truth"],
        "harness.findings": ["Finding"],
        "harness.plugin.fixtures": ["ObjectStore", "Pacs"],
        "harness.installed": ["InstalledExtension"],
        "harness.run.metadata": ["MetadataDocuments"],
        "harness.run.metrics": ["MetricValue", "TaskMetrics"],
        "harness.run.notifications": ["SentNotifications"],
        "harness.run.refusals": ["Refusal", "Refusals"],
        "harness.wire.notifications": ["Notification"],
        "harness.run.outputs": ["SentObject", "SentObjects"],
        "harness.run.stored_objects": ["Reports", "StoredObject", "StoredObjects"],
        "harness.run.results": ["Cause", "Run", "RunImage", "TaskResult"],
        "harness.settings": ["Settings"],
        "harness.errors": [name for name in __all__ if name.endswith(("Error", "Error_"))],
    }
    _HOMES = {name: module for module, names in _MODULES.items() for name in names}

    def __getattr__(name):
        if name not in _HOMES:
            raise AttributeError("module 'harness' has no attribute " + repr(name))
        from importlib import import_module

        found = globals()[name] = getattr(import_module(_HOMES[name]), name)
        return found

    def __dir__():
        return sorted(set(globals()) | set(__all__))
