"""Scripts that run inside a sandbox, in the Python of a code environment. The portal never imports them.

They are shipped one by one, so they import only the standard library (the decoders also the environment's packages)
and nothing else of the project.
"""
