"""The plain references: each as a user would write it from the paper.

Float32, contiguous, `torch.optim.Adam` and `DataLoader` with the library's defaults, losses read
at every step for a log. Nothing of benchbed is imported here.
"""
