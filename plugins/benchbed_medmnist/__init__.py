"""The MedMNIST datasets, read from npz files."""
