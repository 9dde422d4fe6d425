"""Sets one value in a YAML text and leaves everything else, comments included, as it was.

Where an edit in place does not give what is wanted, the whole document is written again.
"""

from __future__ import annotations

import copy
import json
import re
from typing import Any, cast

import yaml
from trimtab.run.yaml_document import Path, decode, parse

REMOVED = object()
"""In place of a value: take the key out."""


def edited(text: str, path: Path, value: Any) -> str:
    """The text with `value` at `path`; missing mappings on the way are made.

    Args:
        text: a document that `yaml_document.parse` reads.
        path: keys and positions.
        value: plain data, or `REMOVED`.
    """
    wanted = _changed(_data(text), path, value)
    for attempt in (_in_place, _list_rewritten, _comment_taken, _key_added):
        new = attempt(text, path, value)
        if new is not None and _same(new, wanted):
            return new
    written = str(yaml.safe_dump(wanted, sort_keys=False, allow_unicode=True))
    return written if _same(written, wanted) else str(yaml.safe_dump(wanted, sort_keys=False))


def _data(text: str) -> Any:
    return parse(decode(text.encode(), "draft"), "draft").data


def _same(text: str, wanted: Any) -> bool:
    try:
        document = parse(decode(text.encode(), "draft"), "draft")
    except ValueError:
        return False
    return (
        bool(document.data == wanted) and not document.faults
    )  # such as a key that is twice there


def _changed(data: Any, path: Path, value: Any) -> Any:
    new = copy.deepcopy(data) if isinstance(data, dict) else {}
    target = new
    for here, following in zip(path, path[1:], strict=False):
        if isinstance(target, dict) and not isinstance(target.get(here), dict | list):
            target[here] = [] if isinstance(following, int) else {}
        target = target[here]
    last = cast("Any", path[-1])
    if value is REMOVED:
        if isinstance(target, list) or last in target:
            del target[last]
    elif isinstance(target, list) and last == len(target):
        target.append(value)
    else:
        target[last] = value
    return new


def flow(value: Any) -> str:
    """A value as YAML in one line."""
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z_][\w./ -]*[\w/]|[A-Za-z_]", value):
        plain = value
        if _same(f"x: {plain}\n", {"x": value}):
            return plain
    if isinstance(value, dict):
        return "{" + ", ".join(f"{flow(k)}: {flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(flow(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=isinstance(value, str) and not value.isprintable())


def _node(text: str, path: Path) -> yaml.Node | None:
    """The node at a path; `parse` has read the text before, so composing cannot run away."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError:  # the parser in C that `parse` uses is laxer in places
        return None
    for part in path:
        if isinstance(node, yaml.MappingNode):
            node = next((v for k, v in node.value if k.value == str(part)), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            node = node.value[part] if part < len(node.value) else None
        else:
            return None
    return node


def _in_place(text: str, path: Path, value: Any) -> str | None:
    node = _node(text, path)
    if node is None or value is REMOVED:
        return None
    if not isinstance(node, yaml.ScalarNode) and not getattr(node, "flow_style", False):
        return None
    start, end = node.start_mark.index, node.end_mark.index
    return f"{text[:start]}{flow(value)}{text[end:]}"


def _list_rewritten(text: str, path: Path, value: Any) -> str | None:
    """Write a list in one line, whole or with an item more or less; comments inside it go."""
    at = path[:-1] if isinstance(path[-1], int) else path
    node = _node(text, at)
    if not isinstance(node, yaml.SequenceNode) or (value is REMOVED and at == path):
        return None
    new = _changed(_data(text), path, value)
    for part in at:
        new = new[part]
    return f"{text[: node.start_mark.index]}{flow(new)}{text[_end(node) :]}"


def _end(node: yaml.Node) -> int:
    """Where the last value of a node ends; the mark of a block is behind comments that follow."""
    if isinstance(node, yaml.SequenceNode) and not node.flow_style and node.value:
        return _end(node.value[-1])
    if isinstance(node, yaml.MappingNode) and not node.flow_style and node.value:
        return _end(node.value[-1][1])
    return int(node.end_mark.index)


def _comment_taken(text: str, path: Path, value: Any) -> str | None:
    """Use the commented line of a template, ``# key: default``, for the key."""
    if value is REMOVED or not isinstance(path[-1], str):
        return None
    parent = _node(text, path[:-1])
    if not isinstance(parent, yaml.MappingNode) or parent.flow_style:
        return None
    indent = " " * parent.start_mark.column
    pattern = re.compile(rf"(?m)^{indent}# {re.escape(path[-1])}: .*$")
    first = text.rfind("\n", 0, parent.start_mark.index) + 1
    above = re.compile(rf"(?:^{indent}#.*\n)+\Z", re.MULTILINE).search(text, 0, first)
    match = pattern.search(text, above.start() if above else first, parent.end_mark.index)
    if match is None:
        return None
    return f"{text[: match.start()]}{indent}{path[-1]}: {flow(value)}{text[match.end() :]}"


def _key_added(text: str, path: Path, value: Any) -> str | None:
    """Add the key, and mappings on the way, as the first of the nearest mapping there is."""
    if value is REMOVED:
        return None
    for depth in range(len(path) - 1, -1, -1):
        parent = _node(text, path[:depth])
        if isinstance(parent, yaml.MappingNode):
            break
    else:
        return None
    missing = path[depth:]
    if not all(isinstance(part, str) for part in missing):
        return None
    entry: Any = value
    for part in reversed(missing[1:]):
        entry = {part: entry}
    start, end = parent.start_mark.index, parent.end_mark.index
    if not parent.value:
        return f"{text[:start]}{flow({missing[0]: entry})}{text[end:]}"
    line = f"{missing[0]}: {flow(entry)}"
    if parent.flow_style:
        return f"{text[: start + 1]}{line}, {text[start + 1 :]}"
    return f"{text[:start]}{line}\n{' ' * parent.start_mark.column}{text[start:]}"
