"""The TOML configuration: reading and checking it, editing it as a person would, and what the engine gets of it.

`settings` lists every key as data; the typed `model`, the checks (`shape`, `relations`, `digits`) and the JSON Schema
follow it. `edit` makes changes from text to text, `write` puts them on the disk.
"""

from fsqueue.config.check import Checked, check_text
from fsqueue.config.model import Configuration, Group, Listen, Member, Number, Switch, Telephony
from fsqueue.config.passwords import PasswordError, password_of
from fsqueue.config.plan import to_plan
from fsqueue.config.problems import Problem, Severity
from fsqueue.config.reading import Loaded, load

__all__ = [
    "Checked",
    "Configuration",
    "Group",
    "Listen",
    "Loaded",
    "Member",
    "Number",
    "PasswordError",
    "Problem",
    "Severity",
    "Switch",
    "Telephony",
    "check_text",
    "load",
    "password_of",
    "to_plan",
]
