"""Attacks with threads from inside a block, as in hostile_blocks.py: they use what its preparation defines."""

THREADS = {
    "threads without end": """
    while True:
        try:
            threading.Thread(target=forever).start()
        except RuntimeError:
            pass""",
    "threads that come and go": """
    while True:
        threading.Thread(target=abs, args=(1,)).start()""",
    "threads that take memory without the first one": """
    def take():
        held = []
        while True:
            held.append(LIBC.mmap(None, 2**24, 3, 0x22, -1, 0))
            if held[-1] != 2**64 - 1:
                ctypes.memset(held[-1], 1, 2**24)
                LIBC.mprotect(ctypes.c_void_p(held[-1]), 2**24, 1)
    threading.Thread(target=take).start()
    LIBC.syscall(60 if os.uname().machine == 'x86_64' else 93, 0)""",
    "the whole answer, then a thread alone": """
    put(1.0, 2.0, 3.0, 4.0)
    threading.Thread(target=forever).start()
    LIBC.syscall(60 if os.uname().machine == 'x86_64' else 93, 0)""",
}
