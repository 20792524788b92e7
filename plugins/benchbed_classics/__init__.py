"""Classical GANs used as baselines by most papers."""
