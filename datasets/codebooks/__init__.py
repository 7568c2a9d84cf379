"""Codebooks: what an owner's own list of columns says. Pure: text in, entries out; no rows, no database."""
