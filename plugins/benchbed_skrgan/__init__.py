"""SkrGAN: sketch first, then colour."""
