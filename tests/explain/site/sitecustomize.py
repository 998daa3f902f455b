"""Every machine has four CPUs here, so that what a configuration computes is the same everywhere."""

import os

os.cpu_count = lambda: 4
