"""How Sphinx builds the documentation: ``sphinx-build -n -W docs docs/_build``."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

project = "nose2_aio"
author = "The nose2_aio developers"
html_title = "nose2_aio"
html_theme = "furo"
html_copy_source = False
extensions = ["sphinx.ext.autodoc", "from_code"]
exclude_patterns = ["_build"]
highlight_language = "none"
default_role = "py:obj"
nitpick_ignore_regex = [("py:.*", r"\.?(asyncio|time|unittest)\..*")]
autodoc_preserve_defaults = True
autodoc_typehints = "none"
add_module_names = False
