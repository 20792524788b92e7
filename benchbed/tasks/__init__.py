"""Ways to judge a method."""
