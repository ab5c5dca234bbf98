"""Directives that write the reference from the tables of the package.

``.. setting:: time-limit``
    A setting: its type, its default, its help, and an example, which is checked. The content of
    the directive follows.
``.. checks::``
    A table of the checks.
``.. modules::``
    A table of the modules of the package: the first sentence of each docstring.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from nose2_aio.config.checks import CHECKS
from nose2_aio.config.options import OPTIONS
from nose2_aio.config.settings import default_text

PACKAGE = Path(__file__).parents[1] / "nose2_aio"
TYPES = {
    None: "``true`` or ``false``",
    "FACTORY[,FACTORY]": "names of loop factories",
    "FILE": "a path",
    "I/N": "``I/N``, for shard I of N",
    "N": "a whole number",
    "SECONDS": "seconds",
    "SEED": "``true``, ``false`` or a seed, a whole number",
}
"""What a setting is, by the name of its value in ``--help``."""
EXAMPLES = {None: "true", "N": "4", "SECONDS": "10", "FACTORY[,FACTORY]": "uvloop"}


class SettingDirective(SphinxDirective):
    """Describe a setting."""

    required_arguments = 1
    option_spec: ClassVar = {
        "default": directives.unchanged,
        "value": directives.unchanged,
        "example": directives.unchanged,
    }
    has_content = True

    def run(self) -> list[nodes.Node]:
        """Return the description of the setting."""
        (option,) = (one for one in OPTIONS if one.key == self.arguments[0])
        words = (option.metavar or "").split("|")
        usual = default_text(option)
        if len(words) > 1:
            kind = ", ".join(f"``{word}``" for word in words[:-1]) + f" or ``{words[-1]}``"
            example = next(word for word in words if word != usual)
        else:
            kind = TYPES[option.metavar]
            example = EXAMPLES.get(option.metavar, "")
        kind = self.options.get("value", kind)
        example = self.options.get("example", example)
        option.parse(example, name=option.key, place="docs")
        switch = f"``--aio-{option.key}``"
        if option.metavar:
            switch = f"``--aio-{option.key}={example}``"
        else:
            switch += f" (off: ``--no-aio-{option.key}``)"
        variable = f"NOSE2_AIO_{option.name.upper()}={example}"
        lines = [
            f".. confval:: {option.key}",
            "",
            f"   {option.help}.",
            "",
            f"   | Value: {kind}",
            f"   | Default: ``{usual}``",
            f"   | Example: ``{option.key} = {example}``, {switch} or ``{variable}``",
            "",
            *(f"   {line}" for line in self.content),
        ]
        return self.parse_text_to_nodes("\n".join(lines))


class ChecksDirective(SphinxDirective):
    """List the checks."""

    def run(self) -> list[nodes.Node]:
        """Return the table of all checks."""
        rows = [("check", "default", "what it finds")]
        rows += [(f":confval:`{one.name}`", f"``{one.default}``", one.help) for one in CHECKS]
        lines = [".. list-table::", "   :header-rows: 1", ""]
        for row in rows:
            first, *rest = row
            lines += [f"   * - {first}", *(f"     - {cell}" for cell in rest)]
        return self.parse_text_to_nodes("\n".join(lines))


class ModulesDirective(SphinxDirective):
    """List the modules."""

    def run(self) -> list[nodes.Node]:
        """Return the table of all modules, those of the top first."""
        lines = [".. list-table::", "   :header-rows: 1", "   :widths: 30 70", ""]
        lines += ["   * - file", "     - what is in it"]
        for path in sorted(PACKAGE.rglob("*.py"), key=lambda path: (len(path.parts), path)):
            if path.name != "__init__.py":
                text = ast.get_docstring(ast.parse(path.read_text()), clean=True) or ""
                first = text.partition("\n\n")[0].replace("\n", " ")
                first = re.sub(r"(?<!`)`([^`]+)`(?!`)", r"``\1``", first)
                lines += [f"   * - ``{path.relative_to(PACKAGE)}``", f"     - {first}"]
        return self.parse_text_to_nodes("\n".join(lines))


def link_names(*arguments: Any) -> None:
    """Let the names in single backticks of a docstring be found in all modules."""
    lines = arguments[-1]
    lines[:] = [re.sub(r"(?<!`)`([\w.]+)`(?!`)", r":py:obj:`.\1`", line) for line in lines]


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the directives, and the hook of autodoc."""
    app.connect("autodoc-process-docstring", link_names)
    app.add_directive("setting", SettingDirective)
    app.add_directive("checks", ChecksDirective)
    app.add_directive("modules", ModulesDirective)
    return {"parallel_read_safe": True}
