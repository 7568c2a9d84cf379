"""The self-test's second part: use more memory than allowed, in a way that no limit per process notices."""

import mmap
import time

area = mmap.mmap(-1, 256 * 2**20)
for place in range(0, len(area), mmap.PAGESIZE):
    area[place] = 1
time.sleep(2)
