"""The command line: what a person at a terminal, or a script, can ask of Paydue."""
