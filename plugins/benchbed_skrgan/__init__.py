"""SkrGAN: noise to sketch, sketch to image."""
