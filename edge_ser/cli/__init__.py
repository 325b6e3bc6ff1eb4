"""The command line: a small module per command, heavy imports inside functions so that `--help` is quick."""
