"""The history: the journal laid out in SQLite, so that people can ask what happened, to whom, and how often.

It is derived from the journal and can always be built again from it: `projection` says what each record means in tables
(`schema`), `following` keeps them up to date from a process of its own, `queries` and `fsqueue.journal.reports` ask.
"""
