"""Scripts for the steps of a build. They run inside a sandbox and use only the standard library."""
