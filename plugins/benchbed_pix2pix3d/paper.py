"""Paper of both methods."""

from benchbed import Paper

PAPER = Paper(
    key="shin2018-pix2pix-3d",
    authors="Shin et al.",
    year=2018,
    title="Medical image synthesis for data augmentation and anonymization using generative "
    "adversarial networks",
    venue="SASHIMI (MICCAI workshop)",
    url="https://doi.org/10.1007/978-3-030-00536-8_1",
)
