"""The REST API of automatic answers: budgets, prices, questions, answers, top-ups, promises and ledgers."""
