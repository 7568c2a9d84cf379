"""The pages of the review lane: each fetches through `visible_to`, asks one service, and answers."""
