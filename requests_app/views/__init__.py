"""The pages of the review lane. Each loads objects through `visible_to`, calls one service, and responds."""
