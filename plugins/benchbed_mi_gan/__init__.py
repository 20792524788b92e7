"""MI-GAN: pictures from vessel masks, and vessel masks from pictures."""
