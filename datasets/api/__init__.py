"""The REST API of datasets: catalogue, revisions, uploads, declarations, access."""
