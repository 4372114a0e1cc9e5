"""Walks the whole path of a call and says, in order, what works and what to do about what doesn't."""
