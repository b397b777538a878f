# SPDX-License-Identifier: BSD-3-Clause
"""How the site is built (`make docs`)."""

import os
import sys
from importlib.metadata import version as version_of
from pathlib import Path

import skimp

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

from own_methods import OwnMethods  # noqa: E402

project = "skimp"
author = "the skimp developers"
copyright = "the skimp developers, BSD-3-Clause"
version = release = skimp.__version__

extensions = [
    "measured",
    "myst_parser",
    "numpydoc",
    "ran",
    "sphinx_design",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_gallery.gen_gallery",
]
templates_path = ["_templates"]
exclude_patterns = ["gallery_src/*"]

myst_enable_extensions = ["colon_fence", "substitution"]
myst_heading_anchors = 3
myst_substitutions = {
    "cores": len(os.sched_getaffinity(0)),
    "pandas": version_of("pandas"),
    "sklearn": version_of("scikit-learn"),
    "python": ".".join(map(str, sys.version_info[:2])),
}

default_role = "autolink"
autosummary_generate = True
autosummary_context = {"own_methods": OwnMethods()}
autodoc_typehints = "none"
toc_object_entries_show_parents = "hide"
numpydoc_show_class_members = False
# numpydoc makes links of attributes that are properties, to pages that they do not have.
nitpick_ignore_regex = [("py:obj", r"\w+")]

sphinx_gallery_conf = {
    "examples_dirs": "gallery_src",
    "gallery_dirs": "gallery",
    "filename_pattern": r"/plot_",
    "within_subsection_order": "gallery_order.Order",
    "download_all_examples": False,
    "write_computation_times": False,
    "show_signature": False,
    "abort_on_example_error": True,
    "notebook_extensions": set(),
}

html_theme = "pydata_sphinx_theme"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_title = "skimp"
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "navbar_align": "left",
    "navbar_persistent": [],
    "navbar_end": ["search-button", "theme-switcher"],
    "header_links_before_dropdown": 7,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "show_prev_next": False,
    "show_toc_level": 1,
}
html_sidebars = {
    "**": ["sidebar-nav-bs"],
    **dict.fromkeys(["index", "start", "guide", "how_it_works", "how_it_is_tested"], []),
}
