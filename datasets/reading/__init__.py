"""Reading a stranger's file into a sealed table. Pure, and run in a process of its own with limits: see __main__."""
