"""The site's one Sphinx configuration. Anything longer is an extension in ``docs/_ext``."""

import gc
import importlib.metadata
import locale
import os
import re
import sys
from pathlib import Path
from urllib.parse import urlsplit

# Sphinx keeps most of what it makes; to look for garbage in it takes a quarter of the time.
gc.disable()

# Iris's units library asks for this locale; Sphinx has set one that it does not know.
locale.setlocale(locale.LC_NUMERIC, "C")

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE / "docs" / "_ext")]

# Where the site will be; without that, where ``./nox -s serve`` shows it.
SITE_URL = os.environ.get("SITE_URL", "http://127.0.0.1:8000/")
# Where its source can be edited, such as https://github.com/OWNER/NAME.
SOURCE_URL = os.environ.get("SOURCE_URL", "")

# Before cartopy is imported: the maps need no download.
os.environ.setdefault("CARTOPY_DATA_DIR", str(HERE / "src" / "s3_sandbox" / "natural_earth"))

from proof import record  # noqa: E402
from proof.lessons import LESSONS, RUN  # noqa: E402

# -- Project ---------------------------------------------------------------------------------------

project = "Iris S3 tutorial"
author = "the Iris S3 tutorial developers"
copyright = f"2026, {author}"
html_title = project
release = importlib.metadata.version("s3-mounts")
language = "en_GB"

# -- Sphinx ----------------------------------------------------------------------------------------

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.extlinks",
    "sphinx.ext.intersphinx",
    "numpydoc",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "sphinxext.opengraph",
    "sphinx_reredirects",
    "notfound.extension",
    "diagrams",
    "lessons",
    "expected",
    "verified",
    "verification_page",
    "claims_page",
    "faults_page",
    "stores_page",
    "surprises",
    "listings",
]
nitpicky = True
tags.add("site")  # noqa: F821 (Sphinx brings it); what is only here, and not in the Iris manual

# -- The lessons -----------------------------------------------------------------------------------

lessons_problem = record.problem()
if not lessons_problem:
    tags.add("executed")  # noqa: F821
    if len(RUN) < len(LESSONS):
        tags.add("too_new")  # noqa: F821

sphinx_gallery_conf = {
    "examples_dirs": "../tutorials",
    "gallery_dirs": "tutorials",
    "filename_pattern": "|".join(
        re.escape(f"{lesson.parent.name}/{lesson.name}") for lesson in RUN
    ),
    "within_subsection_order": "FileNameSortKey",
    "plot_gallery": str(not lessons_problem),
    "parallel": True,
    "image_scrapers": ("expected.scrape",),
    "image_srcset": ["2x"],
    "reset_modules": ("matplotlib", "lessons.reset"),
    "reset_modules_order": "both",
    "capture_repr": ("_repr_html_",),
    "remove_config_comments": True,
    "show_signature": False,
    "write_computation_times": False,
    "inspect_global_variables": False,
    "notebook_images": True,
}

# -- Links to other projects, from inventories that need no network --------------------------------

intersphinx_mapping = {
    "boto3": ("https://boto3.amazonaws.com/v1/documentation/api/latest/", "inventories/boto3.inv"),
    "dask": ("https://docs.dask.org/en/stable/", "inventories/dask.inv"),
    "iris": ("https://scitools-iris.readthedocs.io/en/stable/", "inventories/iris.inv"),
    "matplotlib": ("https://matplotlib.org/stable/", "inventories/matplotlib.inv"),
    "numpy": ("https://numpy.org/doc/stable/", "inventories/numpy.inv"),
    "python": ("https://docs.python.org/3/", "inventories/python.inv"),
}

# -- The helper's reference ------------------------------------------------------------------------

default_role = "py:obj"
autodoc_typehints = "none"
numpydoc_show_class_members = False
numpydoc_xref_param_type = True
numpydoc_xref_ignore = {
    "or",
    "of",
    "to",
    "optional",
    "default",
    "sequence",
    "iterable",
    "mapping",
    "psutil.Process",
}
numpydoc_xref_aliases = {
    "Sandbox": "s3_sandbox.Sandbox",
    "Traffic": "s3_sandbox.Traffic",
    "Path": "pathlib.Path",
    "path-like": "os.PathLike",
}

# -- HTML ------------------------------------------------------------------------------------------

html_theme = "pydata_sphinx_theme"
html_static_path = ["docs/_static"]
html_css_files = ["site.css", "print.css"]
html_js_files = ["site.js"]
html_logo = "docs/_static/logo.svg"
html_favicon = "docs/_static/logo.svg"
html_sidebars = {
    name: []
    for name in (
        *("verification", "troubleshooting", "explanation/s3_buckets"),
        *("reference/cheat_sheet", "reference/evidence", "explanation/when_the_network_fails"),
        "explanation/what_surprises",
    )
}
html_show_sourcelink = False
html_theme_options = {
    "logo": {"text": project},
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "use_edit_page_button": bool(SOURCE_URL),
    "footer_start": ["copyright"],
    "footer_end": ["built-with", "last-updated"],
}
html_context = {
    "default_mode": "auto",
    "built_with": record.versions(),
    "source_url": SOURCE_URL,
    "edit_page_url_template": (
        "{{ source_url }}/edit/main/{% if file_name.startswith('tutorials/') %}"
        "{{ file_name.replace('.rst', '.py').replace('index.py', 'GALLERY_HEADER.rst') }}"
        "{% else %}docs/{{ file_name }}{% endif %}"
    ),
}
templates_path = ["docs/_templates"]
html_last_updated_fmt = "%d %B %Y"
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
copybutton_only_copy_prompt_lines = True
copybutton_copy_empty_lines = False
copybutton_line_continuation_character = "\\"

# -- Found by people and machines ------------------------------------------------------------------

html_baseurl = SITE_URL
html_extra_path = ["benchmarks/results.json", "benchmarks/faults.json"]
ogp_site_url = SITE_URL
ogp_use_first_image = True
ogp_social_cards = {"enable": False}
notfound_urls_prefix = urlsplit(SITE_URL).path
# For the page of what was not found, which is shown at any address.
extlinks = {"from-root": (f"{notfound_urls_prefix}%s", None)}
# Old and short addresses, and where they lead.
redirects = {"s3_io": "explanation/s3_buckets.html"}
