"""The errors that a person may see: each says what was found, what was expected and how to mend it.

The exit codes are those of the command contract: 0 done, 1 the check failed, 2 wrong use or bad input,
3 something needed is missing.
"""


class EdgeSerError(Exception):
    """Base of every error that edge-ser raises on purpose; its text is one line meant for a person."""

    exit_code = 2


class InputError(EdgeSerError):
    """Wrong use or bad input: a file, a key or a value that cannot be worked with."""

    exit_code = 2


class CheckError(EdgeSerError):
    """A check was run and failed: over budget, does not map, parity broken."""

    exit_code = 1


class MissingError(EdgeSerError):
    """Something needed is not there: the compiler, a board, a corpus, an optional package."""

    exit_code = 3
