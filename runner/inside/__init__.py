"""Scripts that run inside a sandbox, in the Python of a code environment. The portal never imports them."""
