"""
The built-in test processor: its own program on its own origin, so that trying Paydue out needs no account anywhere.

It takes published test numbers only, moves no money, and refuses to run in production.
"""
