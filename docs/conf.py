"""Settings of the documentation: ``sphinx-build -W docs docs/_build/html``."""

import os
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import octsk  # noqa: E402
from docs import _parts  # noqa: E402
from docs._parts import blocks, charts  # noqa: E402

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # or its log hides our warnings

project = "octsk"
author = "The octsk developers"
copyright = "2026, The octsk developers"
release = version = octsk.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "_generated"]

# A broken reference to our own names is an error. References to other projects are plain
# text, because the build must not download their inventories.
nitpicky = True
nitpick_ignore_regex = [
    (
        "py:.*",
        r"(collections|h5py|imblearn|joblib|keras|matplotlib|numpy|np|optuna|os|pandas"
        r"|pathlib|pooch|scikeras|scipy|sklearn|tensorflow|tf)\b.*",
    ),
]

default_role = "literal"  # as in NumPy's and scikit-learn's docstrings
autosummary_generate = True
autodoc_typehints = "none"  # the docstrings give types with shapes and ranges
autodoc_member_order = "bysource"
toc_object_entries_show_parents = "hide"  # or long names are cut at the right
numpydoc_show_class_members = False  # the class template lists the methods itself
numpydoc_class_members_toctree = False

# The Python code of these pages also runs in each build, and they show its figures.
PAGES_WITH_PICTURES = ["index.md", "tutorial.md"]

# The examples run in each build; one that fails makes the build fail.
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "examples",
    "download_all_examples": False,
    # The notebooks run in Google Colab, too.
    "first_notebook_cell": "# In Google Colab, install octsk first: remove the '#' below.\n"
    "# %pip install octsk",
    "within_subsection_order": "FileNameSortKey",
    "show_signature": False,
    # The repr of a Display adds nothing to its plot.
    "ignore_repr_types": r"octsk\.(plots|inspection)",
}

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

html_theme = "pydata_sphinx_theme"
html_title = f"octsk {release}"
html_static_path = ["_static"]
html_css_files = ["octsk.css"]
html_favicon = "_static/icon.svg"
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "logo": {
        "image_light": "_static/logo-light.svg",
        "image_dark": "_static/logo-dark.svg",
        "alt_text": "octsk",
    },
    "navbar_align": "left",
    "navbar_end": ["theme-switcher"],
    "navbar_persistent": ["octsk-search"],
    "show_prev_next": True,
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": ["not-for-clinical-use"],
}
_NO_SIDEBAR = (
    "architecture benchmarks changelog compare contributing glossary install tutorial"
)
html_sidebars = {page: [] for page in _NO_SIDEBAR.split()}


def _make_parts(app):
    """Generate what pages include: tables of results, and figures drawn by their code."""
    folder = HERE / "_generated"
    _parts.write_texts(folder)
    charts.draw_all(HERE.parent, folder)
    for page in PAGES_WITH_PICTURES:
        blocks.draw(HERE / page, folder)


def _plain_labels(app, what, name, obj, options, lines):
    """Convert scikit-learn's labels and terms in inherited docstrings to plain text."""
    for i, line in enumerate(lines):
        line = re.sub(r":ref:`([^`<]+?)(?: <[^`]*>)?`", r"\1", line)
        lines[i] = re.sub(r":term:(`[^`]+`)", r"`\1`", line)


def _short_signature(app, what, name, obj, options, signature, return_annotation):
    """Cut long signatures, because the parameters are described below them."""
    if signature and len(signature) > 240:
        return signature[:160].rpartition(", ")[0] + ", ...)", return_annotation
    return None


def setup(app):
    app.connect("builder-inited", _make_parts)
    app.connect("autodoc-process-signature", _short_signature)
    app.connect("autodoc-process-docstring", _plain_labels)
