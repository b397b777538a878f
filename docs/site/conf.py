# SPDX-License-Identifier: BSD-3-Clause
"""How the site is built (`make docs`)."""

import sys
from pathlib import Path

import skimp

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "skimp"
author = "the skimp developers"
copyright = "the skimp developers, BSD-3-Clause"
version = release = skimp.__version__

extensions = [
    "measured",
    "myst_parser",
    "numpydoc",
    "sphinx_design",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_gallery.gen_gallery",
]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
exclude_patterns = ["gallery_src/README.txt"]

autosummary_generate = True
autodoc_typehints = "none"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

sphinx_gallery_conf = {
    "examples_dirs": "gallery_src",
    "gallery_dirs": "gallery",
    "filename_pattern": r"/plot_",
    "download_all_examples": False,
    "show_signature": False,
    "abort_on_example_error": True,
}

html_theme = "pydata_sphinx_theme"
html_title = "skimp"
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "navbar_end": ["theme-switcher"],
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "show_prev_next": False,
    "show_toc_level": 2,
}
html_sidebars = {"index": [], "start": [], "guide": [], "how_it_works": [], "how_it_is_tested": []}
