"""How Sphinx builds the documentation: ``sphinx-build -n -W docs docs/_build``."""

project = "nose2_aio"
author = "The nose2_aio developers"
html_title = "nose2_aio"
html_theme = "furo"
extensions = ["sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
