"""The demo: people in every role, two real datasets, and a request in every state, made by the real services."""
