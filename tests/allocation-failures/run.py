"""run.py: fails the allocations of nginx, one at a time."""

import resource

import lab
import test_failures

# Processes ended by a signal write no core file.
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
lab.run([test_failures])
