"""U-Net, the baseline for segmentation."""
