"""Code whose answers are strange, and four numbers all the same; see hostile_blocks.py for what it uses."""

ODD = {
    "booleans": ("return [True, False, True, False]", [1.0, 0.0, 1.0, 0.0]),
    "whole numbers": ("return (1, -2, 2**53, -0)", [1.0, -2.0, 2.0**53, 0.0]),
    "numbers of numpy": (
        "return [np.int8(1), np.float32(2), np.bool_(1), np.uint64(4)]",
        [1.0, 2.0, 1.0, 4.0],
    ),
    "an array": ("return np.arange(4)", [0.0, 1.0, 2.0, 3.0]),
    "a column": ("return pd.Series([1, 2, 3, 4], dtype='Int64')", [1.0, 2.0, 3.0, 4.0]),
    "small numbers": ("return [5e-324, -5e-324, 1e-310, -0.0]", [5e-324, -5e-324, 1e-310, 0.0]),
    "large numbers": ("return [1.7e308, -1.7e308, 10**300, 2**1023]", [1.7e308, -1.7e308, 1e300, 2.0**1023]),
    "fractions": (
        "import fractions as f, decimal as d; return [f.Fraction(1, 2), d.Decimal('0.5'), 0.5, 1]",
        [0.5] * 3 + [1],
    ),
    "numbers of its own": ("return [number(lambda self: 2.0)] * 4", [2.0] * 4),
    "a forged answer": ("put(1.0, 2.0, 3.0, 4.0); os._exit(0)", [1.0, 2.0, 3.0, 4.0]),
    "text for nobody": ("print('x' * 10**5, flush=True); return [1.0] * 4", [1.0] * 4),
    "its process": (
        "return [os.getpid(), os.getppid(), len(os.listdir('/tmp')), len(os.listdir('/dev/shm'))]",
        [1.0, 0.0, 0.0, 0.0],
    ),
    "a changed table": ("t['new'] = 1; t.iloc[:, 0] = 7.0; del t['b']; return [t.a.iloc[0]] * 4", [7.0] * 4),
    "changed libraries": (
        "np.mean = pd.DataFrame.mean = np.random.normal = random.random = lambda *a: 9; return [9] * 4",
        [9.0] * 4,
    ),
}
"""Body of the function, and what it answers."""
