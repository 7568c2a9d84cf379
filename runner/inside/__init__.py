"""Scripts that run inside a sandbox, in the Python of a code environment. The portal never imports them.

Standard library only at import (the decoders also use the environment's packages), and no import of the rest of the
project: these files are shipped one by one.
"""
