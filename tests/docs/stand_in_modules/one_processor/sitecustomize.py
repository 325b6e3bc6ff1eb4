"""A STAND-IN for a machine with one processor, for tests only.

On several, a training reads its clips in several processes, and each of them takes seconds to load TensorFlow: longer
than all the work of a miniature. From Python 3.13 on, PYTHON_CPU_COUNT says the same.
"""

import os

os.cpu_count = lambda: 1
