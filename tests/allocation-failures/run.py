"""run.py: fails the allocations of nginx, one at a time."""

import resource

import lab
import test_failures

# Whoever ends by a signal leaves no file behind.
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
lab.run([test_failures])
