"""The command `weir`: what the package does, for a shell and for scripts in other languages."""
