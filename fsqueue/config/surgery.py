"""Changes to a TOML text that touch nothing but the thing changed: comments, order and layout of the rest stay.

tomlkit keeps a comment with the table above it, so that removing a table there takes the heading of the next one along,
and tables of one kind that don't stand together confuse it. Here an edit is a cut in the text, at the places that
`positions` finds. Whether it did what was meant is for the caller to check: parse the result (`edit` always does).
All functions take valid TOML.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

import tomlkit

from fsqueue.config.positions import Kind, Node, nodes_of
from fsqueue.config.problems import Path
from fsqueue.config.settings import Value

Cut = tuple[int, int, str]

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_REST_OF_LINE = re.compile(r"[ \t]*(?:#[^\r\n]*)?\r?(?:\n|$)")
_COMMENT_LINES = re.compile(r"(?:[ \t]*#[^\n]*(?:\n|$))+")
_BLANK_LINES = re.compile(r"(?:[ \t]*\r?\n)*")


def toml_key(key: str) -> str:
    """A key as it is written: bare where that is allowed."""
    return key if _BARE.fullmatch(key) else toml_value(key)


def toml_value(value: Value) -> str:
    """A value as it is written."""
    if isinstance(value, tuple):
        return f"[{', '.join(toml_value(item) for item in value)}]"
    return tomlkit.item(value).as_string()


def toml_table(values: Mapping[str, Value]) -> str:
    """An inline table as it is written."""
    return "{ " + ", ".join(f"{toml_key(key)} = {toml_value(value)}" for key, value in values.items()) + " }"


def put(text: str, path: tuple[str, ...], written: str) -> str:
    """Give the key at `path` a value (as it is written), in the place that it has or a new line of its table."""
    nodes = nodes_of(text)
    here = _pair(nodes, path)
    if here is not None:
        if written.startswith('"') and text.startswith("'", here.value) and not {"'", "\\"} & set(written):
            written = f"'{written[1:-1]}'"  # the person's quotes
        return _apply(text, [(here.value, here.end, written)])
    table, key = path[:-1], path[-1]
    inline = _pair(nodes, table)
    if inline is not None:
        return _put_into_braces(text, inline, f"{toml_key(key)} = {written}")
    header = _header(nodes, table)
    if header is not None:
        return _put_below(text, _own_pairs(nodes, header), header, f"{toml_key(key)} = {written}")
    dotted = [node for node in nodes if _names_by_dots(node, table)]
    if dotted:
        return _put_beside(text, dotted[-1], path, written)
    return put_table(text, table, {key: written})


def put_table(text: str, path: tuple[str, ...], pairs: Mapping[str, str]) -> str:
    """Add the table `path` with these pairs (values as they are written), after the last of its kind."""
    nodes = nodes_of(text)
    parent = path[:-1]
    braces = "{ " + ", ".join(f"{toml_key(key)} = {value}" for key, value in pairs.items()) + " }" if pairs else "{}"
    if _is_without_header(nodes, parent):
        return put(text, path, braces)
    if len(path) > 2 and _is_without_header(nodes, parent[:-1]):
        return put(text, path, braces)
    eol = end_of_line(text)
    head = ".".join(toml_key(key) for key in path)
    block = f"[{head}]{eol}" + "".join(f"{toml_key(key)} = {value}{eol}" for key, value in pairs.items())
    below = [node for node in nodes if node.kind is Kind.HEADER and node.path[: len(path)] == path]
    if below:  # [groups.sales.unanswered] stands there already without [groups.sales]
        at = _line_start(text, below[0].start)
        return _apply(text, [(at, at, block + eol)])
    kin = [node for node in nodes if node.kind is Kind.HEADER and parent and node.path[: len(parent)] == parent]
    at = _block_end(text, nodes, kin[-1]) if kin else len(text)
    before = text[:at]
    gap = "" if not before.strip() else eol if before.endswith("\n") else eol * 2
    if before.endswith(eol * 2):
        gap = ""
    after = eol if text[at:].strip() and text[at] not in "\r\n" else ""
    return _apply(text, [(at, at, gap + block + after)])


def _names_by_dots(node: Node, table: Path) -> bool:
    """Whether a key such as `groups.sales.rings` names the table, rather than a header above it."""
    above = len(node.path) - len(node.keys)
    return node.kind is Kind.PAIR and above < len(table) and node.path[: len(table)] == table


def _is_without_header(nodes: Sequence[Node], path: Path) -> bool:
    """Whether the table at `path` is written with braces or dotted keys, where a header can't or shouldn't follow."""
    headed = any(node.kind is Kind.HEADER and node.path[: len(path)] == path for node in nodes)
    return bool(path) and not headed and any(_names_by_dots(node, path) for node in nodes)


def take(text: str, path: tuple[str, ...]) -> str:
    """Remove the key or table at `path` and all that is in it; what stands around it stays.

    The table around it stays too, empty, where nothing else names it.
    """
    nodes = nodes_of(text)
    inside = [node for node in nodes if node.path[: len(path)] == path and node.kind is not Kind.ITEM]
    cuts: list[Cut] = []
    for node in inside:
        if not any(start <= node.start < end for start, end, _ in cuts):
            cuts.append(_cut(text, nodes, node))
    named = any(node.path[: len(path) - 1] == path[:-1] and node.path[: len(path)] != path for node in nodes)
    if cuts and len(path) > 2 and not named:
        cuts[0] = _stub(text, inside[0], path[:-1], cuts[0])
    return _apply(text, cuts)


def _cut(text: str, nodes: Sequence[Node], node: Node) -> Cut:
    if node.kind is Kind.HEADER:
        return _block_cut(text, nodes, node)
    return _braces_cut(text, node) if node.inline else _line_cut(text, node)


def _stub(text: str, node: Node, table: tuple[str, ...], cut: Cut) -> Cut:
    """The same cut, but with the table's name left in it."""
    if node.kind is Kind.HEADER:
        return cut[0], cut[1], f"[{'.'.join(toml_key(key) for key in table)}]{end_of_line(text)}"
    base = len(node.path) - len(node.keys)
    stub = f"{'.'.join(toml_key(key) for key in table[base:])} = {{}}"
    if node.inline:
        return node.start, node.end, stub
    return node.start, cut[1], f"{stub}{end_of_line(text)}"


def rename(text: str, path: tuple[str, ...], new: str) -> str:
    """Write `new` for the last part of `path`, wherever that table or key is named."""
    cuts = []
    for node in nodes_of(text):
        place = len(path) - 1 - (len(node.path) - len(node.keys))
        if node.path[: len(path)] == path and 0 <= place < len(node.keys):
            cuts.append((*node.keys[place], toml_key(new)))
    return _apply(text, cuts)


def replace_values(text: str, paths: Iterable[Path], value: Value) -> str:
    """Write `value` at each of these keys and list items."""
    wanted = list(paths)
    found = [node for node in nodes_of(text) if node.kind is not Kind.HEADER and node.path in wanted]
    return _apply(text, [(node.value, node.end, toml_value(value)) for node in found])


def _apply(text: str, cuts: Iterable[Cut]) -> str:
    for start, end, new in sorted(cuts, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def _pair(nodes: Iterable[Node], path: Path) -> Node | None:
    return next((node for node in nodes if node.kind is Kind.PAIR and node.path == path), None)


def _header(nodes: Iterable[Node], path: Path) -> Node | None:
    return next((node for node in nodes if node.kind is Kind.HEADER and node.path == path), None)


def _own_pairs(nodes: Sequence[Node], header: Node) -> list[Node]:
    """The lines between a header and the next."""
    following = [node.start for node in nodes if node.kind is Kind.HEADER and node.start > header.start]
    until = min(following, default=-1)
    return [
        node
        for node in nodes
        if node.kind is Kind.PAIR
        and not node.inline
        and node.start > header.start
        and (until < 0 or node.start < until)
    ]


def _put_below(text: str, pairs: Sequence[Node], header: Node, line: str) -> str:
    last = pairs[-1] if pairs else header
    indent = text[_line_start(text, last.start) : last.start] if pairs else ""
    return _new_line(text, last.end, f"{indent}{line}")


def _put_beside(text: str, last: Node, path: tuple[str, ...], written: str) -> str:
    """Add a key in the way that its table is written: by dotted keys, from the table in which those stand."""
    base = len(last.path) - len(last.keys)
    pair = f"{'.'.join(toml_key(key) for key in path[base:])} = {written}"
    if last.inline:
        return _apply(text, [(last.end, last.end, f", {pair}")])
    return _new_line(text, last.end, text[_line_start(text, last.start) : last.start] + pair)


def _put_into_braces(text: str, table: Node, pair: str) -> str:
    inner = text[table.value + 1 : table.end - 1]
    if not inner.strip():
        return _apply(text, [(table.value, table.end, f"{{ {pair} }}")])
    at = table.value + 1 + len(inner.rstrip())
    return _apply(text, [(at, at, f", {pair}")])


def _new_line(text: str, after: int, line: str) -> str:
    """Add a line after the one on which `after` is, and so after the comment that ends it."""
    rest = _REST_OF_LINE.match(text, after)
    at = rest.end() if rest is not None else len(text)
    eol = end_of_line(text)
    return _apply(text, [(at, at, f"{line}{eol}" if text[:at].endswith("\n") else f"{eol}{line}{eol}")])


def _line_start(text: str, at: int) -> int:
    return text.rfind("\n", 0, at) + 1


def end_of_line(text: str) -> str:
    """How the lines of `text` end."""
    return "\r\n" if "\r\n" in text else "\n"


def _block_end(text: str, nodes: Sequence[Node], header: Node) -> int:
    """Where a header's lines end: after its last one, and the comments right below that no other header follows."""
    pairs = _own_pairs(nodes, header)
    rest = _REST_OF_LINE.match(text, pairs[-1].end if pairs else header.end)
    at = rest.end() if rest is not None else len(text)
    comments = _COMMENT_LINES.match(text, at)
    if comments is not None and (comments.end() == len(text) or text[comments.end()] in "\r\n"):
        return comments.end()
    return at


def _block_cut(text: str, nodes: Sequence[Node], header: Node) -> Cut:
    start, end = _line_start(text, header.start), _block_end(text, nodes, header)
    blank = _BLANK_LINES.match(text, end)
    if blank is not None and (start == 0 or text[:start].endswith(end_of_line(text) * 2)):
        end = blank.end()  # else two gaps would become one wide one
    return start, end, ""


def _line_cut(text: str, pair: Node) -> Cut:
    rest = _REST_OF_LINE.match(text, pair.end)
    return _line_start(text, pair.start), rest.end() if rest is not None else pair.end, ""


def _braces_cut(text: str, pair: Node) -> Cut:
    after = re.compile(r"\s*,\s*").match(text, pair.end)
    if after is not None:
        return pair.start, after.end(), ""
    before = text[: pair.start].rstrip()
    return (len(before) - 1, pair.end, "") if before.endswith(",") else (pair.start, pair.end, "")
