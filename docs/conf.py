"""How the documentation is built: sphinx-build -W -b html docs docs/_build."""

import sys
from pathlib import Path

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS / "_ext"))

project, author, copyright = "minigraph", "the minigraph developers", "2026, the minigraph developers"
extensions = ["myst_parser", "sphinx.ext.mathjax", "pages", "reference"]
exclude_patterns = ["_build", "_ext", "_static", "README.md"]
nitpicky = True
highlight_language = "text"
pygments_dark_style = "a11y-high-contrast-dark"

myst_enable_extensions = ["dollarmath", "amsmath", "deflist"]
myst_heading_anchors = 4
mathjax_path = "mathjax/tex-svg-full.js"  # all of MathJax 3.2.2 in one file, so that pages need no network
mathjax3_config = {"options": {"enableMenu": False}, "tex": {"packages": {"[+]": ["textmacros"]}}}

html_theme = "furo"
html_title = "minigraph"
html_logo = html_favicon = "_static/logo.svg"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_search_summary = False  # pages opened as files can't be fetched
pages_dependencies = sorted((DOCS.parent / "minigraph").rglob("*.py"))
