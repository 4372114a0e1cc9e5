"""The settings' page of the documentation, made from the table of settings.

`python -m fsqueue.config.reference` writes it to standard output.
"""

import sys

from fsqueue.config.settings import ACTIONS, STEP, STEP_MEANINGS, TABLES, Kind, Setting, Table, action_keys

_HEAD = """# Settings

Made from the code by `python -m fsqueue.config.reference > docs/settings.md`; a test says when it is out of date.

One TOML file holds everything: `--config`, else `$FSQUEUE_CONFIG`, else `/etc/fsqueue/fsqueue.toml`. People and commands
edit it alike; commands keep comments, order and layout. What is wrong is reported all at once, each as
`file:line: path: what is wrong; what would be right`; errors stop a load and the old configuration stays, warnings don't.
`fsqueue config schema` prints the JSON Schema of the file, for editors. Required keys are **bold**.
"""


def reference() -> str:
    """Return the whole page."""
    parts = [_HEAD, *(_table(table) for table in TABLES), _steps()]
    return "\n".join(parts)


def _table(table: Table) -> str:
    title = f"[{table.name}.X]" if table.keyed else f"[{table.name}]"
    lines = [f"## `{title}`", "", table.meaning]
    if table.key is not None:
        lines += ["", f"X is {table.key.words}."]
    for names in table.one_of:
        lines += ["", f"Exactly one of {' and '.join(f'`{name}`' for name in names)} must be set."]
    lines += ["", *_rows(table.settings), ""]
    if table.steps:
        lines += ["Its steps are tables of their own, such as `[groups.sales.unanswered]`; see [Steps](#steps).", ""]
        lines += [f"- `{name}`: {STEP_MEANINGS[name]}" for name in table.steps] + [""]
    return "\n".join(lines)


def _steps() -> str:
    lines = ["## Steps", "", f"{STEP.meaning} `action` says what; each action has keys of its own.", ""]
    lines += ["| action | meaning | needs | takes |", "|---|---|---|---|"]
    for action in ACTIONS:
        keys = action_keys(action.action)
        needs, takes = (", ".join(f"`{name}`" for name in names) for names in (keys.needs, keys.takes))
        lines.append(f"| `{action.action}` | {action.meaning} | {needs.replace(', ', ' or ')} | {takes} |")
    return "\n".join([*lines, "", *_rows(STEP.settings), ""])


def _rows(settings: tuple[Setting, ...]) -> list[str]:
    rows = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for one in settings:
        name = f"**`{one.name}`**" if one.required else f"`{one.name}`"
        rows.append(f"| {name} | {_type(one)} | {_default(one)} | {_cell(_meaning(one))} |")
    return rows


def _meaning(setting: Setting) -> str:
    words = setting.meaning
    if setting.form is not None and not setting.refers:
        words += f" Written as {setting.form.words}."
    if setting.example:
        words += f" Example: `{setting.example}`."
    return words


def _type(setting: Setting) -> str:
    if setting.choices:
        return _cell(", ".join(f"`{choice}`" for choice in setting.choices))
    if setting.kind is Kind.WHOLE:
        return f"{setting.low} to {setting.high} {setting.unit}".rstrip()
    if setting.refers:
        what = setting.refers.removesuffix("s")
        return f"ids of {setting.refers}" if setting.kind is Kind.TEXTS else f"id of a {what}"
    return str(setting.kind.value)


def _default(setting: Setting) -> str:
    if setting.default is None:
        return _cell(setting.default_words)
    if isinstance(setting.default, bool):
        return f"`{str(setting.default).lower()}`"
    if isinstance(setting.default, tuple):
        return f"`{list(setting.default)}`".replace("'", '"')
    return f"`{setting.default}`" if setting.default != "" else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(reference())
