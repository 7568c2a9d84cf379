"""The REST API of accounts: oneself, access tokens, people."""
