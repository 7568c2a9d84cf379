"""See, touch, outlive or outrank other processes."""

from tests.runner.sandbox.attacks import collected

ATTACKS = collected(
    "processes",
    {
        "see_the_host": ('breach(quietly(lambda: [n for n in os.listdir("/proc") if n.isdigit()]))',),
        "signal_the_worker": ('breach(quietly(lambda: os.kill(TARGET["pid"], 0) or "alive"))',),
        "kill_everything": (
            """
pid = os.fork()
if pid == 0:
    os.kill(-1, signal.SIGKILL)
os.waitpid(pid, 0)
""",
            "in the control it would end the control",
        ),
        "kill_init": (
            """
os.kill(1, signal.SIGKILL); time.sleep(0.2)
print("still here")
""",
            "init of a namespace is beyond its members there too",
        ),
        "trace_the_parent": (
            """
# PTRACE_SEIZE, which unlike PTRACE_ATTACH does not stop its target.
breach(LIBC.ptrace(0x4206, os.getppid(), 0, 0) == 0)
""",
        ),
        "trace_a_child": (
            """
pid = os.fork()
if pid == 0:
    breach(LIBC.ptrace(0, 0, 0, 0) == 0)
    os._exit(0)
os.waitpid(pid, 0)
""",
        ),
        "read_memory_of_init": (
            """
buffer = ctypes.create_string_buffer(64)
local = struct.pack("PN", ctypes.addressof(buffer), 64)
breach(reached(number(310, 270), os.getppid(), local, 1, local, 1, 0))
""",
            "the addresses are not those of the other process",
        ),
        "memory_file_of_init": ('breach(quietly(lambda: open("/proc/1/mem", "rb").fileno() >= 0))',),
        "descriptor_of_init": (
            """
pidfd, _ = call(434, os.getppid(), 0)
breach(pidfd >= 0)
""",
        ),
        "become_root": ("breach(quietly(lambda: os.setuid(0) or os.getuid() == 0))",),
        "become_another": (
            "breach(quietly(lambda: os.setresuid(1, 1, 1) or True))",
            "only one id is mapped there",
        ),
        "drop_groups": (
            "breach(quietly(lambda: os.setgroups([]) or True))",
            "forbidden in such a user namespace",
        ),
        "own_user_namespace": ("breach(LIBC.unshare(0x10000000) == 0)",),
        "own_user_namespace_by_clone": (
            """
pid, _ = call(number(56, 220), 0x10000000 | 17, 0, 0, 0, 0)
if pid == 0:
    os._exit(0)
breach(pid > 0)
""",
        ),
        "own_user_namespace_by_clone3": (
            """
arguments = struct.pack("8Q", 0x10000000, 0, 0, 0, 17, 0, 0, 0)
pid, _ = call(435, arguments, 64)
if pid == 0:
    os._exit(0)
breach(pid > 0)
""",
        ),
        "own_network_namespace": ("breach(LIBC.unshare(0x40000000) == 0)",),
        "own_pid_namespace": ("breach(LIBC.unshare(0x20000000) == 0)",),
        "own_clock_namespace": ("breach(LIBC.unshare(0x00000080) == 0)",),
        "own_mount_namespace": ("breach(LIBC.unshare(0x00020000) == 0)",),
        "join_a_namespace": (
            'breach(quietly(lambda: LIBC.setns(os.open("/proc/1/ns/net", os.O_RDONLY), 0) == 0))',
        ),
        "raise_a_limit": (
            """
import resource
soft, hard = resource.getrlimit(resource.RLIMIT_NPROC)
def go():
    resource.setrlimit(resource.RLIMIT_NPROC, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    return True
breach(quietly(go))
""",
            "the limit there is infinite already or privileges are missing",
        ),
        "higher_priority": ("breach(quietly(lambda: os.nice(-5) < 0))", "needs the initial user namespace"),
        "real_time": (
            "breach(quietly(lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)) or True))",
            "needs the initial user namespace",
        ),
        "execute_a_program": (
            """
import subprocess
breach(quietly(lambda: subprocess.run([sys.executable or "/python/bin/python3.11", "-c", "pass"]).returncode == 0))
""",
        ),
        "execute_own_script": (
            """
def go():
    with open("/tmp/own", "w") as f:
        f.write("#!" + sys.executable + "\\nprint(1)\\n")
    os.chmod("/tmp/own", 0o755)
    pid = os.fork()
    if pid == 0:
        try:
            os.execv("/tmp/own", ["own"])
        except OSError:
            os._exit(77)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
breach(quietly(go))
""",
        ),
        "execute_from_memory": (
            """
fd, _ = call(number(319, 279), b"x", 0)
breach(fd >= 0)
""",
        ),
        "outlive_the_run": (
            """
if os.fork() == 0:
    os.setsid()
    for name in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(name, signal.SIG_IGN)
    if os.fork() == 0:
        time.sleep(60)
    os._exit(0)
open("/out/done.txt", "w").write("x")
""",
            "looked at from outside",
        ),
        "worker_secrets": ('breach({k: v for k, v in os.environ.items() if "SECRET" in k})',),
        "inherited_descriptors": (
            """
for n in range(3, 512):
    try:
        target = os.fstat(n)
    except OSError:
        continue
    import stat
    breach(stat.S_ISREG(target.st_mode) or stat.S_ISDIR(target.st_mode) and n)
""",
        ),
        "host_name": ('breach(os.uname().nodename == TARGET["host"] and TARGET["host"])',),
    },
)
