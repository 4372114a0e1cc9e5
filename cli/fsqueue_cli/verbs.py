"""All modules that add verbs to the nouns; to import this one is to have them all."""

from fsqueue_cli import (
    config_commands,
    dialplan_commands,
    dialplan_install,
    group_commands,
    member_commands,
    number_commands,
    pickup_commands,
)
from fsqueue_cli.nouns import NOUNS

__all__ = [
    "NOUNS",
    "config_commands",
    "dialplan_commands",
    "dialplan_install",
    "group_commands",
    "member_commands",
    "number_commands",
    "pickup_commands",
]
