"""DuckDB with restrictions: no extensions are loaded, memory is limited, nothing is spilled to disk."""

import duckdb

MEMORY_MB = 768


def connect(*, memory_mb: int = MEMORY_MB, threads: int = 2) -> duckdb.DuckDBPyConnection:
    """Open an in-memory database for one piece of work."""
    database = duckdb.connect(
        ":memory:",
        config={
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "memory_limit": f"{memory_mb}MB",
            "threads": str(threads),
            "max_temp_directory_size": "0MB",
        },
    )
    database.execute("SET enable_progress_bar=true; SET enable_progress_bar_print=false")
    return database


def name(text: str) -> str:
    """Quote an SQL identifier."""
    return '"' + text.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Quote an SQL string."""
    return "'" + text.replace("'", "''") + "'"
