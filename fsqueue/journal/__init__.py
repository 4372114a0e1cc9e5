"""The record of everything that happened: written before it is acted on, read back to go on after a crash.

`writer.Journal` takes records; `segments.read` and `segments.tail` give them back; `words.line` says them to people.
"""
