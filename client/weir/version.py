"""The version of the client, stated here alone."""

VERSION = "0.1.0"
