"""Configuration of the site: `sphinx-build -W docs docs/_build/html`; `-D plot_gallery=0` does not run the lessons."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "examples")]
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ["TQDM_MININTERVAL"] = "1e9"  # a page shows the beginning and the end of a progress bar

import esc_features  # noqa: E402

project = "esc_features"
copyright = "The esc_features developers"
version = release = esc_features.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "gallery/*.ipynb", "gallery/*.py"]
templates_path = ["_templates"]
default_role = "py:obj"  # single backticks in docstrings name things
suppress_warnings = ["config.cache"]

autosummary_generate = True
autodoc_typehints = "none"  # numpydoc writes them
numpydoc_show_class_members = False

myst_enable_extensions = ["deflist", "colon_fence"]
myst_heading_anchors = 3

html_theme = "pydata_sphinx_theme"
html_title = f"esc_features {version}"
html_theme_options = {
    "show_nav_level": 1,
    "navbar_align": "left",
    "header_links_before_dropdown": 7,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_sidebars = {"index": [], "start": [], "lecturers": [], "contributing": []}
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["site.css"]

# The lessons run on the demo, with fewer epochs than by default; the pretrained weights of lesson 06 would have to be
# downloaded.
_SCRATCH = Path(__file__).parent / "_build"
_SHORTER = {
    "03": ["--epochs", "10"],
    "04": ["--epochs", "5"],
    "05": ["--epochs", "8"],
    "06": ["--epochs", "1", "--weights", "none"],
    "07": ["--epochs", "2"],
    "08": ["--epochs", "10"],
}
_COMMON = (ROOT / "examples/_common.py").read_text(encoding="utf-8")


def lesson_arguments(gallery_conf, script_vars):
    number = Path(script_vars["src_file"]).name[:2]
    folders = ["--out", str(_SCRATCH / "stores/demo"), "--figures", str(_SCRATCH / "figures")]
    return ["demo", *folders, *_SHORTER.get(number, [])]


sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"/\d\d_",
    "ignore_pattern": r"_common\.py",
    "reset_argv": lesson_arguments,
    "remove_config_comments": True,
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "within_subsection_order": "FileNameSortKey",
    "write_computation_times": False,  # that page would load its style from the network
    # A downloaded notebook brings what the lessons share, so that it runs as it is.
    "first_notebook_cell": "%%writefile _common.py\n" + _COMMON,
    "abort_on_example_error": True,
}


def skip_metadata_routing(app, what, name, value, skip, options):
    """Leave out what scikit-learn adds to every estimator: its text refers to pages that are not here."""
    return skip or (name.startswith("set_") and name.endswith("_request")) or name == "get_metadata_routing" or None


def hide_folders_of_the_build(app, name, source):
    """Print the paths of stores and figures as if the lessons had run in a reader's folder."""
    source[0] = source[0].replace(str(_SCRATCH), "/home/me")


def setup(app):
    app.connect("autodoc-skip-member", skip_metadata_routing)
    app.connect("source-read", hide_folders_of_the_build)
