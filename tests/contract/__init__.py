"""The contract suite: what fsqueue promises about calls, tried on a switch, real or embedded, with phones and callers of our own."""
