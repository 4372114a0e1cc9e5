"""Moving in: other programs' queues, read and written down as a configuration that does the same."""
