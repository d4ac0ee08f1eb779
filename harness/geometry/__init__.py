"""Where the images of one DICOM series lie, judged once: for the harness and for the programs in the images.

Reading is :mod:`harness.geometry.facts`, judging :mod:`harness.geometry.judgement`; needed are pydicom and no more.
"""

from harness.geometry.facts import ImageFacts, Plane, facts_of
from harness.geometry.grid import Grid, Vector
from harness.geometry.judgement import Judgement, Problem, ProblemKind, judge

__all__ = ["Grid", "ImageFacts", "Judgement", "Plane", "Problem", "ProblemKind", "Vector", "facts_of", "judge"]
