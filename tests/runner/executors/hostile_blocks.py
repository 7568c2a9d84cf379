"""Code that attacks from inside its block: each item is the body of a function of the block `t` and its values `x`."""

from tests.runner.executors.hostile_threads import THREADS

PREPARATION = """
import builtins, ctypes, gc, itertools, math, mmap, os, pickle, random, resource, signal, socket, struct, subprocess
import sys, threading, time
import numpy as np
import pandas as pd

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.mmap.restype = ctypes.c_void_p
LIBC.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]

def harness():
    '''The frame of the harness above this one, which knows where the answer goes.'''
    frame = sys._getframe()
    while 'place' not in frame.f_locals or frame.f_code.co_name != '_be_a_block':
        frame = frame.f_back
    return frame

def place():
    return harness().f_locals['place']

def put(*values):
    ctypes.memmove(place(), np.array(values).tobytes(), 8 * len(values))

def forever():
    while True:
        time.sleep(1000)

def number(convert):
    return type('N', (), {'__float__': convert})()
"""

HOSTILE = THREADS | {
    "half an answer, then sleep": "put(1.0, 2.0); forever()",
    "the whole answer, then sleep": "put(1.0, 2.0, 3.0, 4.0); forever()",
    "half an answer, then a clean end": "put(1.0, 2.0); os._exit(0)",
    "the whole answer, then a crash": "put(1.0, 2.0, 3.0, 4.0); ctypes.string_at(0)",
    "more than the answer": "ctypes.memmove(place(), bytes(2**20), 2**20); forever()",
    "an answer byte by byte": """
    for byte in range(10**6):
        ctypes.memset(place() + byte % 8, 65, 1)
        time.sleep(0.2)""",
    "no memory for the answer": "LIBC.munmap(ctypes.c_void_p(place()), 4096); return [1.0] * 4",
    "write to every descriptor": """
    for number in range(64):
        try:
            os.write(number, bytes(8))
        except OSError:
            pass
    forever()""",
    "close every descriptor": "os.closerange(0, 64); forever()",
    "write where a pipe was": "os.write(4, b'x'); forever()",
    "an answer where a pipe was": "os.write(4, bytes(32)); os.close(4); forever()",
    "an answer byte by byte where a pipe was": """
    for _ in range(32):
        os.write(4, b'x')
        time.sleep(0.5)""",
    "stop": "os.kill(0, signal.SIGSTOP); os.kill(os.getpid(), signal.SIGSTOP); forever()",
    "kill everybody": "[os.kill(pid, 9) for pid in (1, 0, -1)]",
    "kill neighbours": """
    for pid in range(2, 5000):
        try:
            os.kill(pid, 9)
        except OSError:
            pass
    forever()""",
    "leave early": "os._exit(0)",
    "leave by an exception": "raise SystemExit(0)",
    "abort": "os.abort()",
    "fork": "os.fork(); forever()",
    "threads": "threading.Thread(target=forever).start()",
    "try to fork for ever": """
    while True:
        try:
            os.fork()
        except OSError:
            pass""",
    "spin": "while True: pass",
    "spin deaf": """
    for number in range(1, 65):
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
    while True: pass""",
    "sleep": "forever()",
    "take memory and keep it": """
    held = []
    try:
        while True:
            held.append(bytearray(b'x') * 2**24)
    except MemoryError:
        forever()""",
    "take memory that is not called data": """
    held = []
    for _ in range(40):
        size = 100 * 2**20
        at = LIBC.mmap(None, size, 3, 0x22, -1, 0)
        if at is None or at == 2**64 - 1:
            break
        ctypes.memset(at, 1, size)
        LIBC.mprotect(ctypes.c_void_p(at), size, 1)
    forever()""",
    "take memory that nobody holds": """
    size = 2**30
    at = LIBC.mmap(None, size, 3, 0x21, -1, 0)
    assert at != 2**64 - 1
    for start in range(at, at + size, 2**24):
        ctypes.memset(start, 1, 2**24)
        LIBC.madvise(ctypes.c_void_p(start), 2**24, 4)
    forever()""",
    "fill the folders": """
    for folder in ('/out', '/tmp', '/dev/shm'):
        try:
            with open(folder + '/full', 'wb') as file:
                while True:
                    file.write(bytes(2**20))
        except OSError:
            pass
    forever()""",
    "make many files": """
    try:
        for number in itertools.count():
            open(f'/tmp/{number}', 'w').close()
    except OSError:
        forever()""",
    "recursion": "sys.setrecursionlimit(10**9); main(t)",
    "too many numbers": "return [1.0] * 10**6",
    "an endless answer": "return type('A', (), {'tolist': lambda self: list(itertools.count())})()",
    "a number that sleeps": "return [type('N', (), {'__float__': lambda self: forever()})()] * 4",
    "not a number": "return [1.0, 2.0, 3.0, math.nan]",
    "an infinite number": "return [1.0, 2.0, 3.0, -math.inf]",
    "break the harness": """
    import struct
    os._exit = struct.pack = lambda *a: forever()
    return [1.0] * 4""",
    "never exit": "os._exit = lambda code: None; return [1.0] * 4",
    "sleep in a destructor": "global kept; kept = type('D', (), {'__del__': lambda self: forever()})(); del kept",
    "lower the limits": "resource.setrlimit(resource.RLIMIT_CPU, (0, 0)); forever()",
}

# Not four finite numbers, or too late: the block has failed.
HOSTILE |= {
    f"return {value}": f"return {value}"
    for value in (
        *(
            "None",
            "()",
            "[]",
            "{}",
            "set()",
            "''",
            "'1'",
            "b''",
            "True",
            "0",
            "1.5",
            "object()",
            "type",
            "Ellipsis",
        ),
        *("[1.0]", "[1.0] * 3", "[1.0] * 5", "(1.0,) * 3", "[[1.0] * 4]", "[[1.0]] * 4", "[[1, 2], [3, 4]]"),
        *("['1'] * 4", "'1234'", "b'1234'", "bytearray(4)", "[None] * 4", "[b'1'] * 4", "[1, 2, 3, None]"),
        *(
            "[1j] * 4",
            "[1 + 0j] * 4",
            "np.ones(4) * 1j",
            "[math.nan] * 4",
            "[math.inf] * 4",
            "[1, 2, -math.inf, 4]",
        ),
        *("[10**400] * 4", "[-(10**400)] + [1] * 3", "np.full(4, np.nan)", "np.array([1, np.inf, 2, 3])"),
        *(
            "np.zeros((4, 4))",
            "np.zeros((2, 2))",
            "np.zeros((1, 4))",
            "np.zeros((4, 1))",
            "np.zeros(0)",
            "np.zeros(3)",
        ),
        *("np.float64(1)", "np.array(1.0)", "np.array(['1'] * 4)", "np.array([None] * 4)", "np.zeros(10**6)"),
        *(
            "np.array([object()] * 4)",
            "np.zeros(4, 'M8[s]')",
            "np.ma.masked_all(4)",
            "np.zeros(4, [('a', float)])",
        ),
        *(
            "[pd.NA] * 4",
            "[pd.NaT] * 4",
            "[pd.Timestamp(0)] * 4",
            "pd.Series(['1'] * 4)",
            "pd.Series([1, 2, 3, None])",
        ),
        *(
            "pd.Series([1, 2, 3, None], dtype='Int64')",
            "pd.DataFrame({'a': [1.0] * 4})",
            "t",
            "t.describe()",
            "t.a",
            "x",
        ),
        *(
            "iter([1.0] * 4)",
            "(1.0 for _ in range(4))",
            "range(4)",
            "{1: 1.0, 2: 2.0, 3: 3.0, 4: 4.0}",
            "{1.0, 2.0, 3.0}",
        ),
        *(
            "lambda: [1.0] * 4",
            "[lambda: 1.0] * 4",
            "memoryview(bytes(3))",
            "[[]] * 4",
            "[{}] * 4",
            "[1.0] * 10**6",
        ),
        *(
            "pickle.dumps([1.0] * 4)",
            "[pickle.dumps(1.0)] * 4",
            "[(1.0,)] * 4",
            "list(t)",
            "[t] * 4",
            "[x] * 4",
        ),
        *(
            "[type('F', (float,), {'__float__': lambda self: math.nan})()] * 4",
            "[number(lambda self: 'text')] * 4",
        ),
        *(
            "[number(lambda self: None)] * 4",
            "[number(lambda self: 1 / 0)] * 4",
            "[number(lambda self: os._exit(0))] * 4",
        ),
        *(
            "type('L', (list,), {'__len__': lambda self: 4})()",
            "type('A', (), {'tolist': lambda self: 1 / 0})()",
        ),
        *(
            "type('A', (), {'tolist': None})()",
            "type('A', (), {'__getattr__': lambda self, name: forever()})()",
        ),
        *(
            "type('L', (list,), {'__iter__': lambda self: itertools.repeat(1.0), '__len__': lambda self: 4})()",
        ),
        *("np.zeros(2**40)", "np.zeros(2**62)", "' ' * 2**31", "list(range(10**9))", "bytes(2**40)"),
    )
}
HOSTILE |= {
    "end by a signal 1": "os.kill(os.getpid(), signal.SIGKILL); ctypes.string_at(0)",
    "end by a signal 2": "signal.raise_signal(signal.SIGSEGV); ctypes.string_at(0)",
    "end by a signal 3": "os.kill(os.getppid(), signal.SIGKILL); raise RuntimeError",
    "signals to the host": "[os.kill(pid, 15) for pid in range(1, 2**15)]",
    "signal to a group": "os.killpg(0, signal.SIGKILL); raise RuntimeError",
    "wait for a child": "os.wait(); return [1.0] * 4",
    "wait for an alarm": "signal.alarm(1000); signal.pause()",
    "an alarm that kills": "signal.setitimer(signal.ITIMER_REAL, 0.01); signal.pause()",
    "leave as if killed": "os._exit(137)",
    "leave with a large number": "os._exit(2**31 - 1)",
    "leave by the system": "LIBC._exit(0)",
    "leave by quit": "quit()",
    "leave by sys": "sys.exit(0)",
    "leave at the end": "import atexit; atexit.register(forever); sys.exit(0)",
    "an interrupt": "raise KeyboardInterrupt",
    "a generator's end": "raise GeneratorExit",
    "an exception that sleeps": "raise type('E', (Exception,), {'__str__': lambda self: forever()})()",
    "an exception of exceptions": "raise ExceptionGroup('many', [ValueError(n) for n in range(10**5)])",
    "an endless chain": """
    error = None
    for number_ in range(10**5):
        new = ValueError(number_)
        new.__cause__ = error
        error = new
    raise error""",
    "fork by the library": "LIBC.fork(); raise RuntimeError",
    "fork by number": "LIBC.syscall(57 if os.uname().machine == 'x86_64' else 220, 17, 0, 0, 0, 0); raise RuntimeError",
    "fork a terminal": "os.forkpty()",
    "a process": "subprocess.run(['/python/bin/python3', '-c', 'pass']); raise RuntimeError",
    "a pool": "import multiprocessing; multiprocessing.Pool(2).map(abs, [1.0] * 4); raise RuntimeError",
    "a pool of threads": "from concurrent.futures import ThreadPoolExecutor as P; P().submit(forever).result()",
    "a raw thread": "import _thread; _thread.start_new_thread(forever, ()); forever()",
    "become another program": "os.execv(sys.executable, ['python', '-c', 'pass'])",
    "become a shell": "os.execv('/bin/sh', ['sh', '-c', 'exit 0'])",
    "become what it wrote": """
    with open('/tmp/program', 'w') as file:
        file.write('#!/bin/sh')
    os.chmod('/tmp/program', 0o755)
    os.execv('/tmp/program', ['program'])""",
    "a shell": "os.system('true'); raise RuntimeError",
    "a socket": "socket.create_connection(('127.0.0.1', 80), 1)",
    "a local socket": "socket.socket(socket.AF_UNIX).connect('/run/control')",
    "a netlink socket": "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
    "a pair of sockets": "socket.socketpair()",
    "a name": "socket.getaddrinfo('example.org', 80)",
    "processes in /proc": "open('/proc/1/environ').read()",
    "memory in /proc": "open('/proc/self/mem', 'r+b')",
    "devices": "open('/dev/mem', 'rb')",
    "a file of the harness": "open('/weir/job', 'wb')",
    "the library's file": "open(np.__file__, 'r+b')",
    "the code": "open('/code.py').read()",
    "another block's file": "return [float(len(os.listdir('/proc/1/fd')))] * 4",
    "a link out": "os.symlink('/etc/passwd', '/tmp/link'); open('/tmp/link').read()",
    "a device of its own": "os.mknod('/tmp/device', 0o20666, os.makedev(1, 1)); open('/tmp/device', 'rb')",
    "a mount": "LIBC.mount(b'none', b'/tmp', b'tmpfs', 0, None) and 1 / 0; raise RuntimeError",
    "a namespace": "LIBC.unshare(0x10000000) and 1 / 0",
    "tracing": "LIBC.ptrace(0, 0, 0, 0) and 1 / 0",
    "another priority": "os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(99))",
    "another core": "os.sched_setaffinity(0, {0, 1})",
    "more limits": "resource.setrlimit(resource.RLIMIT_AS, (-1, -1))",
    "no memory for itself": "resource.setrlimit(resource.RLIMIT_DATA, (0, 0)); return [bytearray(2**22)] * 4",
    "no stack": "resource.setrlimit(resource.RLIMIT_STACK, (0, 0)); main_ = lambda: main_(); main_()",
    "another root": "os.chroot('/tmp')",
    "an endless file": """
    with open('/tmp/a', 'wb') as file:
        while True:
            file.write(bytes(2**16))""",
    "a sparse file": "open('/tmp/a', 'wb').truncate(2**50)",
    "a deep folder": """
    while True:
        os.mkdir('a')
        os.chdir('a')""",
    "a file that is mapped and cut": """
    file = open('/tmp/a', 'w+b')
    file.truncate(4096)
    area = mmap.mmap(file.fileno(), 4096)
    file.truncate(0)
    return [area[0]] * 4""",
    "a flood of text": """
    while True:
        print('x' * 10**6)
        sys.stderr.write('x' * 10**6)
        os.write(1, bytes(10**6))""",
    "a flood of warnings": """
    import warnings
    while True:
        warnings.warn_explicit('x' * 1000, UserWarning, 'f', random.randrange(2**60))""",
    "a loop in C": "sum(itertools.repeat(1))",
    "a loop in numpy": "np.linalg.eigvals(np.random.normal(size=(3000, 3000)))",
    "a regular expression": "import re; re.match('(a+)+b', 'a' * 60)",
    "a large power": "return [10 ** (10**9)] * 4",
    "a large text of a number": "return [len('%s' % (1 << 10**9))] * 4",
    "sort for ever": "[9].sort(key=lambda _: forever())",
    "recursion in C": "value = []; [value := [value] for _ in range(10**6)]; repr(value)",
    "recursion of a number": "return [number(lambda self: float(self))] * 4",
    "recursion in a descriptor": "class A:\n        a = property(lambda self: self.a)\n    A().a",
    "deep code": "exec('(' * 10**5 + ')' * 10**5)",
    "deep syntax": "import ast; ast.literal_eval('-' * 10**6 + '1')",
    "byte code": "exec((lambda: 0).__code__.replace(co_code=bytes(range(256)), co_stacksize=1)); raise RuntimeError",
    "a pickle that ends": "pickle.loads(b'cos\\n_exit\\n(I0\\ntR.')",
    "a pickle of sizes": "pickle.loads(b'\\x80\\x04\\x8e' + b'\\xff' * 7 + b'\\x7f')",
    "memory in pieces": "held = []\n    while True:\n        held.append([0] * 1000)",
    "memory in one piece": "return np.ones(10**9)[:4]",
    "memory in a frame": "return pd.concat([t] * 10**6).a.head(4)",
    "memory of text": "return ['x' * 2**30] * 4",
    "memory in a cycle": """
    gc.disable()
    while True:
        a = [0] * 10**4
        a.append(a)""",
    "memory that is locked": "area = mmap.mmap(-1, 2**28, 0x22); LIBC.mlockall(3); area.write(bytes(2**28))",
    "memory in files": """
    held = []
    for number_ in itertools.count():
        held.append(os.memfd_create('x'))
        os.write(held[-1], bytes(2**24))""",
    "memory on the stack": "import threading; threading.stack_size(2**30); threading.Thread(target=forever).start()",
    "lies of numpy": "np.isfinite = lambda *a: True; return [math.nan] * 4",
    "lies of math": "builtins.float = lambda value: 1.0; return [1.0] * 3",
    "lies of len": "builtins.len = lambda value: 4; return [1.0] * 3",
    "lies of a list": "builtins.list = builtins.tuple = type('L', (), {}); return [1.0] * 4",
    "lies of struct": "struct.pack = lambda *a: bytes(8); return [1.0] * 5",
    "lies of ctypes": "ctypes.memmove = lambda *a: None; return [1.0] * 4",
    "lies of isinstance": "builtins.isinstance = lambda *a: False; return [1.0] * 4",
    "lies of the job": "harness().f_locals['job']['output_size'] = 10**6; return [1.0] * 10**6",
    "lies of the size": "harness().f_locals['job'].update(output_size=1); return [1.0]",
    "lies of labels": "harness().f_locals['job'].update(labels=('a',)); return 'a'",
    "lies of the end": "harness().f_globals['os']._exit = lambda code: forever(); return [1.0] * 4",
    "lies of every module": "sys.modules.clear(); import math; return [math.nan] * 4",
    "no builtins": "vars(builtins).clear(); return [1.0] * 4",
    "no numpy": "sys.modules['numpy'] = None; import numpy",
    "another answer's place": "ctypes.memset(place() + 2**20, 0, 8); return [1.0] * 5",
    "an unanswered answer": "ctypes.memmove(place(), struct.pack('<Q', 0x7FF800000000_7E1A) * 4, 32); os._exit(0)",
    "three numbers and a clean end": "put(1.0, 2.0, 3.0); os._exit(0)",
    "not a number and a clean end": "put(1.0, 2.0, 3.0, math.nan); os._exit(0)",
    "a harness that fails": "harness().clear(); raise RuntimeError",
    "a trace": "sys.settrace(lambda *a: forever()); (lambda: 0)()",
    "a profile": "sys.setprofile(lambda *a: forever()); return [1.0] * 4",
    "an audit": "sys.addaudithook(lambda *a: forever()); open('/tmp/a', 'w')",
    "a finder": "sys.meta_path.insert(0, type('F', (), {'find_spec': lambda *a: forever()})()); import wave",
    "a hook": "sys.excepthook = lambda *a: forever(); raise RuntimeError",
    "a hook of the end": "sys.unraisablehook = lambda *a: forever(); raise RuntimeError",
    "clocks": "return [time.time(), time.monotonic_ns(), time.process_time(), None]",
    "move the clock": "time.clock_settime(0, 0.0)",
    "the other half": "t.drop(t.index, inplace=True); return list(t.a)",
}
