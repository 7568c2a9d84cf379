"""Read, write or probe anything except the run's own inputs and outputs."""

from tests.runner.sandbox.attacks import collected

FOREVER = "needs the initial user namespace even without our layers"

ATTACKS = collected(
    "files",
    {
        "read_canary": ('breach(quietly(lambda: open(TARGET["canary"]).read()))',),
        "stat_canary": ('breach(quietly(lambda: os.stat(TARGET["canary"])))',),
        "read_canary_through_root_of_init": (
            'breach(quietly(lambda: open("/proc/1/root" + TARGET["canary"]).read()))',
        ),
        "read_by_parent_folders": (
            'breach(quietly(lambda: open(os.environ["WEIR_OUT"] + "/../../../.." + TARGET["canary"]).read()))',
        ),
        "list_the_canarys_folder": (
            'breach(quietly(lambda: os.listdir(os.path.dirname(TARGET["canary"]))))',
        ),
        "append_to_canary": ('breach(quietly(lambda: open(TARGET["canary"], "a").write("spoiled")))',),
        "remove_canary": ('breach(quietly(lambda: os.chmod(TARGET["canary"], 0o600) or True))',),
        "accounts_of_the_host": ('breach(quietly(lambda: open("/etc/passwd").read()))',),
        "host_configuration": ('breach(quietly(lambda: os.listdir("/etc")))',),
        "sysfs": ('breach(quietly(lambda: os.listdir("/sys")))', "the control has no /sys"),
        "environment_of_init": (
            'breach(quietly(lambda: open("/proc/1/environ", "rb").read()))',
            "the control's init has no environment",
        ),
        "mounts_name_host_paths": ('breach(quietly(lambda: open("/proc/self/mountinfo").read()))',),
        "write_into_the_packages": (
            """
import sys
for folder in ("/environment", "/python/lib", *sys.path):
    breach(quietly(lambda: open(os.path.join(folder, "planted.pth"), "w").write("import os")))
""",
        ),
        "write_into_root": (
            """
for folder in ("/", "/usr", "/dev", "/data", "/weir"):
    breach(quietly(lambda: open(os.path.join(folder, "planted"), "w").write("x")))
""",
        ),
        "change_own_code": ('breach(quietly(lambda: open(__file__, "a").write("#")))',),
        "change_the_input": (
            """
for name in os.listdir(os.environ["WEIR_DATA"]):
    path = os.path.join(os.environ["WEIR_DATA"], name)
    breach(quietly(lambda: open(path, "ab").write(b"spoiled")))
    breach(quietly(lambda: os.truncate(path, 0) or True))
    breach(quietly(lambda: os.chmod(path, 0o777) or True))
""",
        ),
        "list_other_inputs": (
            """
names = os.listdir(os.environ["WEIR_DATA"])
breach([n for n in names if not n.startswith("wages")])
breach(quietly(lambda: os.listdir(os.path.join(os.environ["WEIR_DATA"], ".."))and os.path.exists("/work")))
""",
            "the control's inputs lie alone",
        ),
        "mount_memory": ('breach(LIBC.mount(b"x", b"/tmp", b"tmpfs", 0, b"") == 0)',),
        "mount_over_the_packages": (
            'breach(LIBC.mount(b"/tmp", sys.path[-1].encode(), None, 4096, None) == 0)',
        ),
        "remount_writable": (
            'breach(LIBC.mount(None, b"/", None, 32 | 4096, None) == 0)',
            "root is another mount there",
        ),
        "unmount": ('breach(LIBC.umount2(b"/tmp", 2) == 0)',),
        "new_mount_interface": ("breach(reached(430, b'tmpfs', 0))",),
        "rest_of_the_new_mount_interface": (
            """
breach(reached(428, -100, b"/", 1))
breach(reached(429, -1, b"", -1, b"", 4))
breach(reached(432, -1, 0, 0))
breach(reached(433, -100, b"/", 0))
breach(reached(442, -100, b"/", 0, bytes(32), 32))
""",
        ),
        "own_memory_file": ('breach(quietly(lambda: open("/proc/self/mem", "rb+").fileno() >= 0))',),
        "own_program_file": ('breach(quietly(lambda: open("/proc/self/exe", "rb").read(4)))',),
        "descriptors_as_files": ('breach(quietly(lambda: os.listdir("/proc/self/fd")))',),
        "manuals_of_the_host": (
            """
breach([n for n in ("/usr/include", "/usr/sbin", "/usr/games", "/usr/local") if os.path.exists(n)])
breach([n for n in quietly(lambda: os.listdir("/usr/share")) or () if n != "zoneinfo"])
""",
        ),
        "free_space_of_the_hosts_disk": (
            """
answer = ctypes.create_string_buffer(256)
for path in (os.__file__, "/environment", "/", "/data"):
    breach(LIBC.statfs(path.encode(), answer) == 0 and path)
""",
        ),
        "wait_on_a_shared_page": (
            """
LIBC.mmap.restype = ctypes.c_void_p
LIBC.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
place = LIBC.mmap(None, 4096, 1, 2, os.open(os.__file__, os.O_RDONLY), 0)
value = ctypes.c_uint.from_address(place).value
pause = struct.pack("qq", 0, 1000)
result, code = call(number(202, 98), ctypes.c_void_p(place), 0, value, pause, 0, 0)
breach(code == errno.ETIMEDOUT and "it waits for whoever maps this file")
breach(reached(455, ctypes.c_void_p(place), value, -1, 2, pause, 1))
""",
        ),
        "push_out_shared_pages": (
            """
LIBC.mmap.restype = ctypes.c_void_p
LIBC.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
place = LIBC.mmap(None, 4096, 1, 2, os.open(os.__file__, os.O_RDONLY), 0)
for advice in (20, 21):
    breach(LIBC.madvise(ctypes.c_void_p(place), ctypes.c_size_t(4096), advice) == 0 and advice)
""",
        ),
        "hint_on_a_shared_file": (
            """
import fcntl
file = os.open(os.__file__, os.O_RDONLY)
breach(quietly(lambda: fcntl.fcntl(file, 1036, struct.pack("Q", 3))))
breach(quietly(lambda: fcntl.fcntl(os.open(os.__file__, os.O_RDONLY), 1035, bytes(8))))
""",
        ),
        "chroot": ('breach(LIBC.chroot(b"/tmp") == 0)',),
        "make_device": (
            """
breach(quietly(lambda: os.mknod("/tmp/device", 0o600 | 0o060000, os.makedev(8, 0)) or True))
breach(quietly(lambda: os.mknod("/tmp/null", 0o600 | 0o020000, os.makedev(1, 3)) or True))
""",
            FOREVER,
        ),
        "open_by_handle": ("breach(reached(number(304, 265), -100, b'x' * 64, 0))",),
        "name_to_handle": (
            """
handle = ctypes.create_string_buffer(struct.pack("Ii", 128, 0) + bytes(128))
mount = ctypes.c_int()
breach(reached(number(303, 264), -100, b"/", handle, ctypes.byref(mount), 0))
""",
        ),
        "watch_shared_files": (
            """
watch, _ = call(number(294, 26), 0)
breach(watch >= 0 and call(number(254, 27), watch, os.__file__.encode(), 0x20)[0] >= 0)
""",
        ),
        "lock_shared_files": (
            """
import fcntl
a, b = open(os.__file__), open(os.__file__)
def go():
    fcntl.flock(a, fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        fcntl.flock(b, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return "one lock is seen through another descriptor"
breach(quietly(go))
""",
        ),
        "lease_on_shared_files": (
            """
import fcntl
breach(quietly(lambda: fcntl.fcntl(open(os.__file__), 1024, 0) == 0))
""",
            "a lease needs the file's owner",
        ),
        "block_devices_and_memory": (
            """
for name in os.listdir("/dev"):
    if name not in ("null", "zero", "full", "random", "urandom", "shm"):
        breach(name)
""",
        ),
        "extended_attributes": (
            'open("/tmp/x", "w"); breach(quietly(lambda: os.setxattr("/tmp/x", "user.note", b"1") or True))',
            "a tmpfs may know no user attributes",
        ),
        "flush_every_disk": ("breach(reached(number(306, 267), os.open('/tmp', os.O_RDONLY)))",),
    },
)
