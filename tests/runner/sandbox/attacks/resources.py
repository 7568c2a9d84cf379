"""Exceed a limit. Each attack must end promptly, with the close code of that limit."""

from tests.runner.sandbox.attacks import collected, ends, held, lets_out

QUICK = {"wall_s": 2}

ATTACKS = collected(
    "resources",
    {
        "sleep_for_ever": ("time.sleep(3600)", {"wall_s": 1}, ends("TIME_LIMIT")),
        "sleep_deaf_to_signals": (
            """
for n in range(1, 65):
    try:
        signal.signal(n, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
while True:
    time.sleep(1)
""",
            {"wall_s": 1},
            ends("TIME_LIMIT"),
        ),
        "burn": ("while True: pass", {"cpu_s": 1}, ends("TIME_LIMIT")),
        "burn_deaf_to_the_warning": (
            "signal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass",
            {"cpu_s": 1},
            ends("TIME_LIMIT"),
        ),
        "burn_in_many_processes": (
            """
for _ in range(3):
    os.fork()
while True: pass
""",
            {"cpu_s": 2},
            ends("TIME_LIMIT"),
        ),
        "burn_under_a_name_that_lies": (
            """
LIBC.prctl(15, b") S 1 1 1 0 (", 0, 0, 0)
for _ in range(3):
    os.fork()
while True: pass
""",
            {"cpu_s": 2},
            ends("TIME_LIMIT"),
        ),
        "memory_of_the_kernel_in_sockets": (
            """
import socket
hoard = []
for _ in range(8):
    if os.fork() == 0:
        break
while True:
    try:
        pair = socket.socketpair()
        hoard.append(pair)
        pair[0].setblocking(False)
        while True:
            pair[0].send(bytes(65536))
    except BlockingIOError:
        pass
    except OSError:
        time.sleep(1)
""",
            {"wall_s": 15},
            ends("MEMORY_LIMIT"),
        ),
        "fork_bomb": (
            """
while True:
    try:
        os.fork()
    except OSError:
        pass
""",
            ends("PROCESS_LIMIT"),
        ),
        "fork_until_refused": (
            """
for _ in range(500):
    if os.fork() == 0:
        time.sleep(30)
        os._exit(0)
""",
            ends("PROCESS_LIMIT"),
        ),
        "thread_bomb": (
            """
import threading
while True:
    try:
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
    except RuntimeError:
        pass
""",
            ends("PROCESS_LIMIT"),
        ),
        "hoard_memory": ("hoard = []\nwhile True: hoard.append(b'x' * 10_000_000)", ends("MEMORY_LIMIT")),
        "one_giant_allocation": ("hoard = bytearray(1 << 36)", ends("MEMORY_LIMIT")),
        "hoard_shared_memory": (
            """
import mmap
hoard = []
while True:
    area = mmap.mmap(-1, 16 << 20)
    for place in range(0, len(area), 4096):
        area[place] = 1
    hoard.append(area)
""",
            ends("MEMORY_LIMIT"),
        ),
        "hoard_in_many_processes": (
            """
for _ in range(12):
    if os.fork() == 0:
        hoard = bytearray(b"x") * (64 << 20)
        time.sleep(20)
        os._exit(0)
time.sleep(20)
""",
            ends("MEMORY_LIMIT"),
        ),
        "deep_recursion_in_c": (
            """
sys.setrecursionlimit(10**9)
def down(n):
    return repr([down])[:0] + sorted([n], key=lambda _: down(n + 1))[0]
down(0)
""",
            ends("EXIT_NONZERO", "EXCEPTION", "MEMORY_LIMIT"),
        ),
        "fill_the_outputs": (
            "open('/out/big.txt', 'wb').write(b'x' * (64 << 20))",
            ends("DISK_LIMIT"),
        ),
        "fill_temporary_space": (
            "with open('/tmp/big', 'wb') as f:\n    for _ in range(600): f.write(b'x' * (1 << 20))",
            ends("DISK_LIMIT", "MEMORY_LIMIT"),
        ),
        "fill_shared_memory_folder": (
            "with open('/dev/shm/big', 'wb') as f:\n    for _ in range(600): f.write(b'x' * (1 << 20))",
            ends("DISK_LIMIT", "MEMORY_LIMIT"),
        ),
        "very_many_files": (
            """
for n in range(10**7):
    os.close(os.open(f"/tmp/{n}", os.O_CREAT | os.O_WRONLY))
""",
            {"wall_s": 30},
            ends("DISK_LIMIT", "MEMORY_LIMIT"),
        ),
        "giant_hole": (
            """
with open("/out/hole.txt", "wb") as f:
    f.truncate(1 << 40)
""",
            ends("DISK_LIMIT", "EXCEPTION"),
        ),
        "very_many_descriptors": (
            """
def go():
    return [os.open("/dev/null", os.O_RDONLY) for _ in range(10**6)]
breach(quietly(go))
open("/out/done.txt", "w").write("x")
""",
            held,
        ),
        "flood_of_output": ("while True: print('x' * 10_000)", ends("OUTPUT_TOO_BIG")),
        "flood_of_errors": ("while True: sys.stderr.write('x' * 10_000)", ends("OUTPUT_TOO_BIG")),
        "flood_by_a_child": (
            """
if os.fork() == 0:
    while True: os.write(1, b"x" * 65536)
time.sleep(30)
""",
            ends("OUTPUT_TOO_BIG"),
        ),
        "close_every_stream": (
            """
os.closerange(0, 1024)
time.sleep(30)
""",
            {"wall_s": 1},
            ends("TIME_LIMIT"),
        ),
        "stop_everything": ("os.kill(os.getpid(), signal.SIGSTOP)", {"wall_s": 1}, ends("TIME_LIMIT")),
        "forks_that_share_their_memory": (
            """
# No attack: three children with the memory of their parent have not four times as much.
hoard = bytearray(b"x") * (100 << 20)
for _ in range(3):
    if os.fork() == 0:
        time.sleep(1)
        os._exit(0)
for _ in range(3):
    os.wait()
open("/out/done.txt", "w").write("x")
""",
            lets_out("done.txt"),
        ),
        "lock_memory": ("breach(LIBC.mlockall(3) == 0)", held),
    },
)
