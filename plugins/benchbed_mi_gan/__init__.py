"""MI-GAN: images from vessel masks, and vessel masks from images."""
