"""U-Net, the baseline of segmentation."""
