"""The command line, one module a command: each has `run`, which takes the parsed arguments and returns an exit code."""
