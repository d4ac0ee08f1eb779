"""Image references in DAG code, read from its syntax tree (nothing is imported or executed).

The platform's build script finds an image only in one form of line in a file whose name contains
"operator" (build 4.4); Kubernetes pulls whatever the operator computes. Both are wanted: the reference, and
whether the build script would have seen it.
"""

from __future__ import annotations

import ast
import dataclasses
import re
from collections.abc import Iterator

from harness.common.references import split_reference

REGISTRY = "{DEFAULT_REGISTRY}"
VERSION = "{KAAPANA_BUILD_VERSION}"
# names under which DAG code knows the two values (build 2)
_PLACEHOLDERS = {
    "DEFAULT_REGISTRY": REGISTRY,
    "default_registry": REGISTRY,
    "KAAPANA_BUILD_VERSION": VERSION,
    "kaapana_build_version": VERSION,
    "BUILD_VERSION": VERSION,
}
# a line that the build script ties an image to a chart by (build 4.4)
_BUILD_SCRIPT_LINE = re.compile(
    r"""
    \s* (-\s*)? image \s*[=:]\s*         # an item of a list too
    f? ["'] \{DEFAULT_REGISTRY\}/       # no other name, no other registry
    [^:]+ : [^"']+ ["']                 # name and version
    """,
    re.VERBOSE,
)


@dataclasses.dataclass(frozen=True)
class OperatorImage:
    """One image reference.

    Attributes:
        file: how messages name the file.
        reference: with the placeholders ``{DEFAULT_REGISTRY}`` and ``{KAAPANA_BUILD_VERSION}`` where the
            code uses these values, and ``{?}`` for what cannot be known without running it.
        name: repository below the default registry, or ``None`` for another registry.
        seen_by_build_script: the platform's build script ties this image to the chart.
    """

    file: str
    line: int
    reference: str
    name: str | None
    seen_by_build_script: bool

    def resolve(self, registry: str, version: str) -> str:
        """Return the reference as a cluster with this registry and platform version pulls it."""
        return self.reference.replace(REGISTRY, registry).replace(VERSION, version)


def find_images(text: str, name: str, shown: str) -> list[OperatorImage]:
    """Return the references of one Python file; a file that does not parse gives what its lines say.

    Args:
        text: its content.
        name: its file name; the build script looks only into files with "operator" in it.
        shown: how messages name it.
    """
    named_operator = "operator" in name.lower()
    by_line = {
        number for number, line in enumerate(text.splitlines(), 1) if named_operator and _BUILD_SCRIPT_LINE.match(line)
    }
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return [_read_image(shown, n, text.splitlines()[n - 1].split("=", 1)[1], by_line) for n in sorted(by_line)]
    constants = _constants(tree)
    found: dict[int, OperatorImage] = {}
    for value in _image_values(tree):
        reference = _text(value, constants)
        if reference and "/" in reference:
            found[value.lineno] = _read_image(shown, value.lineno, reference, by_line)
    return [found[line] for line in sorted(found)]


def _image_values(tree: ast.Module) -> Iterator[ast.expr]:
    """Yield what is given to a call as ``image``, or to an attribute of that name or a name that ends so."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            for keyword in node.keywords:
                if keyword.arg == "image":
                    yield keyword.value
                elif keyword.arg is None and isinstance(keyword.value, ast.Dict):
                    pairs = zip(keyword.value.keys, keyword.value.values, strict=True)
                    yield from (value for key, value in pairs if isinstance(key, ast.Constant) and key.value == "image")
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value and any(map(_is_image, _targets(node))):
            yield node.value


def _targets(node: ast.Assign | ast.AnnAssign) -> list[ast.expr]:
    return node.targets if isinstance(node, ast.Assign) else [node.target]


def _is_image(target: ast.expr) -> bool:
    if isinstance(target, ast.Name):
        return target.id.lower().endswith("image")
    return isinstance(target, ast.Attribute) and target.attr == "image"


def _read_image(file: str, line: int, text: str, by_line: set[int]) -> OperatorImage:
    reference = text.strip().rstrip(",").removeprefix("f").strip("\"'")
    name: str | None = None
    if reference.startswith(REGISTRY + "/"):
        name = split_reference(reference)[0].removeprefix(f"{REGISTRY}/")
    return OperatorImage(file, line, reference, name, line in by_line)


def _constants(tree: ast.Module) -> dict[str, str]:
    """Return text constants of the module and text defaults of parameters, for ``image=IMAGE``."""
    known = dict(_PLACEHOLDERS)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            known.update((a.asname, _PLACEHOLDERS[a.name]) for a in node.names if a.asname and a.name in _PLACEHOLDERS)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            text = _text(node.value, known)
            for target in _targets(node):
                if text and isinstance(target, ast.Name):
                    known.setdefault(target.id, text)
        elif isinstance(node, ast.FunctionDef):
            positional = node.args.posonlyargs + node.args.args
            defaults = [None] * (len(positional) - len(node.args.defaults)) + list(node.args.defaults)
            pairs = [*zip(positional, defaults, strict=True)]
            pairs += [*zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)]
            for argument, default in pairs:
                text = _text(default, known) if default is not None else None
                if text:
                    known.setdefault(argument.arg, text)
    return known


def _text(node: ast.expr | None, known: dict[str, str]) -> str | None:
    """Return the text that an expression gives, or ``None``."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.Name):
        return known.get(node.id)
    if isinstance(node, ast.Attribute):
        return _PLACEHOLDERS.get(node.attr)
    if isinstance(node, ast.JoinedStr):
        parts = []
        for value in node.values:
            inner = value.value if isinstance(value, ast.FormattedValue) else value
            parts.append(_text(inner, known) or "{?}")
        return "".join(parts)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
        return _percent(node.left, node.right, known)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _text(node.left, known), _text(node.right, known)
        return None if left is None and right is None else (left or "{?}") + (right or "{?}")
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format":
        template = _text(node.func.value, known)
        if template is None:
            return None
        for number, argument in enumerate(node.args):
            text = _text(argument, known) or "{?}"
            template = template.replace("{}", text, 1).replace("{" + str(number) + "}", text)
        for keyword in node.keywords:
            template = template.replace("{" + str(keyword.arg) + "}", _text(keyword.value, known) or "{?}")
        return template
    return None


def _percent(template: ast.expr, values: ast.expr, known: dict[str, str]) -> str | None:
    """Return the text of ``"%s/x:%s" % (a, b)``."""
    text = _text(template, known)
    if text is None:
        return None
    for value in values.elts if isinstance(values, ast.Tuple) else [values]:
        text = text.replace("%s", _text(value, known) or "{?}", 1)
    return text
