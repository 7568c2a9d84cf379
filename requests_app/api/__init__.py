"""The REST API of the review lane: requests, versions, comments, runs, outputs, releases, environments, workers."""
