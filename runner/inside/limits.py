"""Set the limits of a decoding process: put before each script of this folder, so that it runs first."""

import resource

MEMORY_BYTES = 2 * 2**30
CPU_S = 50

for _kind, _value in (
    (resource.RLIMIT_DATA, MEMORY_BYTES),
    (resource.RLIMIT_CPU, CPU_S),
    (resource.RLIMIT_FSIZE, 0),
    (resource.RLIMIT_CORE, 0),
    (resource.RLIMIT_NOFILE, 64),
    (resource.RLIMIT_NPROC, 64),
):
    resource.setrlimit(_kind, (_value, _value))
