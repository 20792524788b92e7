"""The classical GANs that every paper compares with."""
