"""FreeSWITCH's event socket on greenswitch's classes: framing, typed events, commands, links. Knows nothing of queues."""
