"""The portal as one supervised tree of processes, out of wheels: nothing is needed from the system but Python."""
