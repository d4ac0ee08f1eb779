"""Import the modules that programs import, so that the image has their bytecode.

Compiling everything that was installed takes longer than installing it and adds 150 MB, most of it for modules
that nothing ever loads (plotly alone has 15,000 files). A module that is missing here costs its compilation at
each start of a container, nothing else.
"""

import json.tool  # noqa: F401

import build  # noqa: F401
import jinja2  # noqa: F401
import jsonschema
import matplotlib.pyplot as pyplot
import minio
import minio.credentials
import nibabel
import numpy
import opensearchpy  # noqa: F401
import pandas
import PIL.Image
import plotly.express
import plotly.graph_objects
import psutil  # noqa: F401
import pydantic_settings  # noqa: F401
import pydicom
import pydicom.data
import pydicom.pixels
import pydicom.uid
import requests  # noqa: F401
import requests_toolbelt  # noqa: F401
import seaborn  # noqa: F401
import SimpleITK
from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: F401

# the lazily loaded parts
pyplot.figure().add_subplot().plot([0, 1])
pyplot.close("all")
plotly.graph_objects.Figure(plotly.graph_objects.Scatter(x=[1], y=[1])).to_html()
pandas.DataFrame({"a": [1.0, 2.0]}).describe().to_html()
jsonschema.validate({"a": 1}, {"type": "object", "properties": {"a": {"type": "integer"}}})
minio.Minio("localhost:9", access_key="a", secret_key="b", secure=False)
nibabel.Nifti1Image(numpy.zeros((2, 2, 2), numpy.int16), numpy.eye(4)).to_bytes()
SimpleITK.GetArrayFromImage(SimpleITK.OtsuThreshold(SimpleITK.Image(4, 4, SimpleITK.sitkInt16)))
PIL.Image.init()
dataset = pydicom.Dataset()
dataset.PatientName = "A^B"
dataset.PixelData = b"\0\0"
str(dataset), dataset.to_json()
