"""Reads an owner's file into a table. Pure; runs in a sandbox, or in a child process with limits (see __main__)."""
