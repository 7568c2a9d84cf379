"""What runs inside the sandbox before and around submitted code, in the Python of the code environment.

Standard library only at import, and no import of the rest of the project: these files are shipped one by one.
"""
