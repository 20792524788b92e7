"""Distance of radial power spectra."""

import numpy as np
import numpy.typing as npt

from benchbed import ImageSet, MetricInputs


def spectral_distance(inputs: MetricInputs) -> float:
    """Return the mean absolute difference of the spectra of the real and the generated images."""
    return float(np.abs(spectrum(inputs.real) - spectrum(inputs.fake)).mean())


def spectrum(images: ImageSet) -> npt.NDArray[np.float64]:
    """Return the log of the mean power at 0, 1, ... cycles per image, up to half the size."""
    grey = images.images.mean(axis=1) / 255.0
    power = (np.abs(np.fft.fft2(grey)) ** 2).mean(axis=0)
    size = grey.shape[-1]
    cycles = np.fft.fftfreq(size, 1 / size)
    ring = np.rint(np.hypot(cycles[:, None], cycles)).astype(int).ravel()
    mean = np.bincount(ring, power.ravel()) / np.bincount(ring)
    return np.log(mean[: size // 2 + 1] + 1e-12)
