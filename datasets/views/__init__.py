"""The pages of datasets: each fetches through `visible_to`, asks one service, and answers."""
