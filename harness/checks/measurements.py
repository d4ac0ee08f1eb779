"""A measurement of a structured report, as a number that says where it stands."""

from __future__ import annotations

from pydicom.sr.coding import Code

from harness.checks.explanations import Explained


class Measurement(Explained):
    """A measured value; an assertion about it that fails says what else the report has of its kind."""

    name: str
    """Meaning of the concept, e.g. ``Volume``."""

    concept: Code | None
    units: Code | None
    """Code of the unit, e.g. UCUM ``ml``."""

    place: str
    """Where it stands: the names of what is around it."""

    _source: str
    _others: tuple[str, ...]

    @classmethod
    def of(
        cls,
        value: float,
        concept: Code | None,
        units: Code | None,
        place: str,
        source: str,
        others: tuple[str, ...] = (),
    ) -> Measurement:
        """Return a measurement.

        Args:
            source: name of the report.
            others: lines about other measurements of the same concept.
        """
        found = cls(value)
        found.concept, found.units, found.place = concept, units, place
        found.name = concept.meaning if concept else ""
        found._source, found._others = source, others
        return found

    @property
    def unit(self) -> str:
        """Code of the unit, e.g. ``ml``; empty where it has none."""
        return self.units.value if self.units and self.units.value != "1" else ""

    @property
    def what(self) -> str:
        """Return the name of the measurement with its source."""
        return f"{self.name!r} of {self._source}"

    @property
    def explanation(self) -> list[str]:
        """Return the place of the measurement in the report, and the others of its kind."""
        return [f"it stands in {self.place}", *self._others]

    def __str__(self) -> str:
        return f"{float(self):{self.shown_as}} {self.unit}".strip()
