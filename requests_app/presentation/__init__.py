"""What pages and the API show of requests besides their rows: histories, and threads on the lines that code has now."""
