"""FastGAN."""
