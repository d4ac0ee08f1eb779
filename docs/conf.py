"""Sphinx's settings for the documentation as a site: ``tox -e docs``."""

from __future__ import annotations

import sys
from pathlib import Path

import harness

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "kaapana-harness"
author = "the authors of kaapana-harness"
version = release = harness.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_click",
    "root_documents",
    "reference_pages",
]
exclude_patterns = ["_extensions"]
# anchors of headings as the viewers of repositories make them
myst_heading_anchors = 6
myst_enable_extensions = ["colon_fence"]

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
# a name is shown as it is imported from the package, without the module that it lives in
add_module_names = False
python_use_unqualified_type_names = True

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_title = f"kaapana-harness {release}"
html_copy_source = False
html_show_sphinx = False
