"""Method spec of U-Net."""

from __future__ import annotations

from collections.abc import Iterable

from benchbed import Deviation, MethodSpec, Paper, hookimpl

UNET = MethodSpec(
    name="unet",
    title="U-Net",
    paper=Paper(
        key="ronneberger2015-unet",
        authors="Ronneberger, Fischer, Brox",
        year=2015,
        title="U-Net: convolutional networks for biomedical image segmentation",
        venue="MICCAI",
        url="https://arxiv.org/abs/1505.04597",
    ),
    implementation="benchbed_unet.unet:UNet",
    settings="benchbed_unet.settings:UNetSettings",
    capabilities=frozenset({"segment"}),
    sizes=(32, 64, 128, 256, 512, 1024),
    required_inputs=frozenset({"mask"}),
    presets={"quick": {"features": 16}},
    equations=(
        ("energy, eq. 1", "min  -sum_x w(x) log p_l(x)(x),   l(x) the label of pixel x"),
        ("weights", "w(x) = 1"),
    ),
    deviations=(
        Deviation(
            paper="unpadded convolutions: a mask of 388 px from an image of 572",
            implementation="padded convolutions, a mask of the image's size; sizes that are no "
            "multiple of 16 are padded by reflection and cropped",
            reason="every pixel of an image is scored",
        ),
        Deviation(
            paper="no batch normalisation; dropout at the end of the contracting path",
            implementation="batch normalisation after every convolution of 3 x 3, no dropout",
            reason="as in most later work with U-Net as a baseline",
        ),
        Deviation(
            paper="softmax over two classes; weights w(x) that balance the classes and separate "
            "touching cells",
            implementation="one sigmoid per mask channel, w = 1",
            reason="equivalent for two classes; vessels do not touch like cells",
        ),
        Deviation(
            paper="stochastic gradient descent with momentum 0.99, one tile per step",
            implementation="Adam with 1e-3, batch of 4",
            reason="as in most later work; batch normalisation needs more than one image",
        ),
        Deviation(
            paper="section 3.1: shift, rotation, grey values and elastic deformation; no ranges",
            implementation="any rotation, left-right flips, brightness, contrast and saturation by "
            "up to a fifth; no deformation",
            reason="as in the methods it is compared with here",
        ),
        Deviation(
            paper="64 channels in the outermost layers",
            implementation="preset quick: 16 channels",
            reason="minutes on two CPU cores",
        ),
    ),
)


@hookimpl
def benchbed_methods() -> Iterable[MethodSpec]:
    """Return U-Net."""
    return [UNET]
