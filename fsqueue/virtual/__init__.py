"""The whole of fsqueue on virtual time, in one process and without sockets: the rules, the legs and the embedded switch.

The bytes between them are the real ones, cut and decoded by the code that does it in production, so a run exercises all
but the sockets and greenlets themselves, and comes out the same each time.
"""
