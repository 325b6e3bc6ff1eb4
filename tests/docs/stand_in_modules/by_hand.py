"""Starts a program, waits until it has said something, and ends it as a person would: with Ctrl-C.

    by_hand.py PROGRAM ARGUMENT…

Ends as the program does, and with 98 where it said nothing for a minute or ended before it was asked to.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time

_MUTE_S = 60.0
_LISTENS_S = 0.5
"""How long the person goes on listening."""


def main() -> int:
    # A job in the background, a test run say, inherits that nobody can interrupt it; a person's program is none.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        alarm = threading.Timer(_MUTE_S, program.kill)
        alarm.start()
        first = program.stdout.readline()
        time.sleep(_LISTENS_S)
        if not first or program.poll() is not None:
            program.kill()
            print(f"by hand: said {first!r}, ended with {program.wait()} by itself", file=sys.stderr)  # noqa: T201
            alarm.cancel()
            return 98
        program.send_signal(signal.SIGINT)
        sys.stdout.write(first + program.stdout.read())
        code = program.wait()
        alarm.cancel()
        return code


if __name__ == "__main__":
    sys.exit(main())
