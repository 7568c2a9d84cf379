"""The differential-privacy engine: pure functions and frozen data, without Django, database or network."""
