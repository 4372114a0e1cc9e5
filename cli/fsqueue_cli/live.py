"""The commands that speak to the running daemon; to import this module is to have the verbs that it adds to the nouns too."""

from fsqueue_cli import live_calls, live_member
from fsqueue_cli.live_drain import drain
from fsqueue_cli.live_status import status
from fsqueue_cli.live_tail import tail
from fsqueue_cli.live_top import top

LIVE = (status, top, tail, drain)
"""Those that stand beside the nouns."""

__all__ = ["LIVE", "live_calls", "live_member"]
