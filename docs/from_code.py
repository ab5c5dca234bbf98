"""Directives that write the reference from the tables of the package.

``.. setting:: time-limit``
    A setting: its type, its default, its help, and an example, which is checked. The content of
    the directive follows.
``.. checks::``
    A table of the checks.
``.. modules::``
    A table of the modules of the package: the first sentence of each docstring.
``.. figures:: ways``, ``.. figures:: figures``
    A table of what ``benchmarks/ratios.py --json`` has written to ``docs/figures``.
"""

from __future__ import annotations

import ast
import json
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
FIGURES = Path(__file__).parent / "figures"
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
        rows = [["check", "default", "what it finds"]]
        rows += [[f":confval:`{one.name}`", f"``{one.default}``", one.help] for one in CHECKS]
        return self.parse_text_to_nodes(table(rows))


class ModulesDirective(SphinxDirective):
    """List the modules."""

    def run(self) -> list[nodes.Node]:
        """Return the table of all modules, those of the top first."""
        rows = [["file", "what is in it"]]
        for path in sorted(PACKAGE.rglob("*.py"), key=lambda path: (len(path.parts), path)):
            if path.name != "__init__.py":
                text = ast.get_docstring(ast.parse(path.read_text()), clean=True) or ""
                first = text.partition("\n\n")[0].replace("\n", " ")
                first = re.sub(r"(?<!`)`([^`]+)`(?!`)", r"``\1``", first)
                rows.append([f"``{path.relative_to(PACKAGE)}``", first])
        return self.parse_text_to_nodes(table(rows, "30 70"))


class FiguresDirective(SphinxDirective):
    """Show what the benchmarks have measured."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return a table with the numbers of each Python, and a line on each run."""
        reports = [json.loads(path.read_text()) for path in sorted(FIGURES.glob("*.json"))]
        found = [{row[0]: row[1:] for row in report[self.arguments[0]]} for report in reports]
        rows = [["", *(f"Python {report['python']}" for report in reports)]]
        rows += [
            [name, *(", ".join(filter(None, one[name])) for one in found)] for name in found[0]
        ]
        lines = ["Measured with:", ""]
        lines += [
            "- Python {python}: {machine}, {date}, {rounds} rounds".format(**one) for one in reports
        ]
        return self.parse_text_to_nodes("\n".join([table(rows), "", *lines]))


def table(rows: list[list[str]], widths: str = "auto") -> str:
    """Return a table of reStructuredText, whose first row is its head."""
    lines = [".. list-table::", "   :header-rows: 1", f"   :widths: {widths}", ""]
    for first, *rest in rows:
        lines += [f"   * - {first}", *(f"     - {cell}" for cell in rest)]
    return "\n".join(lines)


def link_names(*arguments: Any) -> None:
    """Let the names in single backticks of a docstring be found in all modules."""
    lines = arguments[-1]
    lines[:] = [re.sub(r"(?<!`)`([\w.]+)`(?!`)", r":py:obj:`.\1`", line) for line in lines]


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the directives, and the hook of autodoc."""
    app.connect("autodoc-process-docstring", link_names)
    app.add_directive("setting", SettingDirective)
    app.add_directive("checks", ChecksDirective)
    app.add_directive("figures", FiguresDirective)
    app.add_directive("modules", ModulesDirective)
    return {"parallel_read_safe": True}
