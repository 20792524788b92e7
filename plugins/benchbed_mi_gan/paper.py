"""Paper of both methods."""

from benchbed import Paper

PAPER = Paper(
    key="iqbal2018-mi-gan",
    authors="Iqbal, Ali",
    year=2018,
    title="Generative adversarial network for medical images (MI-GAN)",
    venue="Journal of Medical Systems",
    url="https://doi.org/10.1007/s10916-018-1072-9",
)
