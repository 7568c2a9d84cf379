"""Reach parts of the kernel that analysis never needs. `reached` means that the kernel itself answered."""

from tests.runner.sandbox.attacks import collected

PRIVILEGED = "the kernel refuses it without privileges in the initial namespace, too"
BUILD = "the control's kernel may be built without it"

ATTACKS = collected(
    "kernel",
    {
        "bpf": ("breach(reached(number(321, 280), 0, b'x' * 64, 64))", PRIVILEGED),
        "performance_counters": ("breach(reached(number(298, 241), bytes(128), 0, -1, -1, 0))", PRIVILEGED),
        "io_uring": ("breach(reached(425, 1, bytes(120)))",),
        "page_fault_descriptor": ("breach(reached(number(323, 282), 1))",),
        "key_ring": ("breach(reached(number(250, 219), 0, -3, 0))",),
        "add_key": ("breach(reached(number(248, 217), b'user', b'name', b'secret', 6, -3))",),
        "secret_memory": ("breach(reached(447, 0))", BUILD),
        "memory_file": ("breach(reached(number(319, 279), b'x', 0))",),
        "compare_processes": ("breach(reached(number(312, 272), os.getpid(), os.getpid(), 0, 0, 0))",),
        "system_v_shared_memory": ("breach(reached(number(29, 194), 0x1234, 4096, 0o1666))",),
        "system_v_messages": ("breach(reached(number(68, 186), 0x1234, 0o1666))",),
        "posix_message_queue": ("breach(reached(number(240, 180), b'queue', 0o102, 0o600, 0))",),
        "same_pages_as_others": (
            """
import mmap
area = mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
place = ctypes.addressof(ctypes.c_char.from_buffer(area))
breach(LIBC.madvise(ctypes.c_void_p(place), ctypes.c_size_t(4096), 12) == 0)
""",
            BUILD,
        ),
        "larger_pipes": (
            """
import fcntl
breach(quietly(lambda: fcntl.fcntl(os.pipe()[1], 1031, 1 << 20) >= 1 << 20))
""",
        ),
        "pin_to_a_core": (
            "breach(quietly(lambda: os.sched_setaffinity(0, [min(os.sched_getaffinity(0))]) or True))",
        ),
        "core_dump": (
            """
import resource
hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
quietly(lambda: resource.setrlimit(resource.RLIMIT_CORE, (hard, hard)))
os.chdir("/tmp")
if (pid := os.fork()) == 0:
    os.abort()
breach(os.WCOREDUMP(os.waitpid(pid, 0)[1]))
""",
        ),
        "options_of_a_process": (
            """
for option, value in ((4, 1), (8, 1), (36, 1), (0x59616D61, -1), (31, 1), (67, 1), (41, 1)):
    breach(LIBC.prctl(option, value, 0, 0, 0) == 0 and option)
""",
        ),
        "take_a_descriptor": ("breach(reached(438, 0, 0, 0))",),
        "advise_another_process": ("breach(reached(440, 0, 0, 0, 4, 0))",),
        "end_the_memory_of_another": ("breach(reached(448, 0, 0))",),
        "personality": ("breach(reached(number(135, 92), 0x0040000))",),
        "kernel_log": ("breach(reached(number(103, 116), 10, 0, 0))", PRIVILEGED),
        "load_a_module": ("breach(reached(number(313, 273), 0, b'', 0))", PRIVILEGED),
        "kexec": ("breach(reached(number(320, 294), 0, 0, 0, 0, 0))", PRIVILEGED),
        "reboot": ("breach(reached(number(169, 142), 0, 0, 0, 0))", PRIVILEGED),
        "set_the_clock": ("breach(reached(number(227, 112), 0, struct.pack('qq', 0, 0)))", PRIVILEGED),
        "host_name_change": ("breach(LIBC.sethostname(b'owned', 5) == 0)",),
        "ports": ("breach(reached(173, 0, 8, 1)) if os.uname().machine == 'x86_64' else None", PRIVILEGED),
        "segments": (
            "breach(reached(154, 0, bytes(64), 64)) if os.uname().machine == 'x86_64' else None",
            BUILD,
        ),
        "x32_calls": (
            "breach(reached(0x40000000 + 39)) if os.uname().machine == 'x86_64' else None",
            BUILD,
        ),
        "type_into_a_terminal": (
            """
import fcntl
def go():
    code = ctypes.c_char(b"x")
    for request in (0x5412, 0x541C):
        ctypes.set_errno(0)
        if LIBC.ioctl(0, request, ctypes.byref(code)) == 0:
            return request
breach(go())
""",
            "the control has no terminal",
        ),
        "page_cache_of_libraries": (
            """
import mmap
file = open(os.__file__, "rb")
area = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
answer = ctypes.create_string_buffer(1024)
address = ctypes.c_void_p()
LIBC.mmap.restype = ctypes.c_void_p
LIBC.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
place = LIBC.mmap(None, 4096, 1, 1, file.fileno(), 0)
breach(reached(number(27, 232), ctypes.c_void_p(place), ctypes.c_size_t(4096), answer))
""",
        ),
        "load_of_the_host": ("breach(reached(number(99, 179), ctypes.create_string_buffer(256)))",),
        "load_average_file": ('breach(quietly(lambda: open("/proc/loadavg").read()))',),
        "another_filter": ("breach(reached(number(317, 277), 1, 0, 0))",),
        "numa_policy": ("breach(reached(number(238, 237), 0, 0, 0))", BUILD),
        "unknown_calls": (
            """
for n in range(451, 600):
    result, code = call(n, 0, 0, 0, 0, 0, 0)
    if n != 452 and code != errno.ENOSYS:
        breach((n, result, errno.errorcode.get(code)))
""",
        ),
    },
)
