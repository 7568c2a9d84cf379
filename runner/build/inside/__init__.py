"""The steps of a build: scripts for the inside of a sandbox, and only the standard library for company."""
