"""What the REST API of every app is made of: operations, scopes, lists, idempotency keys, problem details, schema."""
