"""SkrGAN, as declared to benchbed."""

from __future__ import annotations

from collections.abc import Iterable

from benchbed import Deviation, MethodSpec, Paper, hookimpl

SKRGAN = MethodSpec(
    name="skrgan",
    title="SkrGAN",
    paper=Paper(
        key="zhang2019-skrgan",
        authors="Zhang, Fu, Zhao, Cheng, Guo, Gu, Yang, Xiao, Gao, Liu",
        year=2019,
        title="SkrGAN: sketching-rendering unconditional generative adversarial networks for "
        "medical image synthesis",
        venue="MICCAI",
        url="https://arxiv.org/abs/1908.04346",
    ),
    implementation="benchbed_skrgan.skrgan:SkrGAN",
    settings="benchbed_skrgan.settings:SkrGANSettings",
    capabilities=frozenset({"sample", "pairs"}),
    sizes=(32, 64, 128, 256, 512),
    presets={
        "quick": {
            "batch_size": 4,
            "sketch_size": 256,
            "sketch_sigma": 1.0,
            "sketch_area": 16,
            "latent_dim": 64,
            "base": 512,
            "max_channels": 64,
            "sketch_loss": "bce",
            "penalty_weight": 0.0,
            "level_weights": (0, 0, 0, 0, 0, 1, 2, 3),
            "level_fade": 0.3,
            "average_decay": 0.997,
            "renderer_features": 16,
            "renderer_dropout": 0.0,
        }
    },
    equations=(
        ("eq. 1, sketch guidance", "min_GS max_DS  E[log D_S(y)] + E[log(1 - D_S(G_S(z . l)))]"),
        (
            "eq. 2, colour rendering",
            "min_GP max_DP  E[log D_P(x, y)] + E[log(1 - D_P(G_P(y), y))] + lambda |G_P(y) - x|_1",
        ),
        ("eq. 3", "the sum of both; x a picture, y its sketch, lambda = 100"),
    ),
    deviations=(
        Deviation(
            paper="eq. 1 and 2 print D(G(.)) where D(real) is meant, and the other way round",
            implementation="real images are labelled real",
            reason="as printed the discriminator would be trained to be wrong",
        ),
        Deviation(
            paper="eq. 1 is a cross-entropy; section 2.2 takes the backbone of Karras et al.",
            implementation="the backbone's loss, Wasserstein with gradient penalty and drift; "
            "preset quick "
            "takes the printed one, with no penalty (sketch_loss=bce, penalty_weight=0)",
            reason="the backbone is published with that loss and grows stably under it; the "
            "printed one costs half as much a step, and in equal minutes shows more",
        ),
        Deviation(
            paper="eq. 1 multiplies the noise with a latent code l that is not defined",
            implementation="l is 1; latent_code=learned for a learned vector",
            reason="with l = 1 the backbone is as published",
        ),
        Deviation(
            paper="section 2.1 gives the steps of the sketch draft without any parameter",
            implementation="Gaussian of 2 px and area opening and closing of 64 px, at 512 px",
            reason="the parameters of the one public re-implementation",
        ),
        Deviation(
            paper="section 2.1 does not say how edge strengths are scaled",
            implementation="the 97th percentile becomes white",
            reason="else the rim of the field of view leaves vessels at a tenth of the range",
        ),
        Deviation(
            paper="section 2.3 names a U-Net and a conditional discriminator, no layers",
            implementation="those of Isola et al. 2017, patches of 70 px",
            reason="the paper builds on it",
        ),
        Deviation(
            paper="section 3.2 trains a segmentation network on pictures and sketches, and does "
            "not say how a sketch becomes a mask",
            implementation="a pair's mask is its sketch above Otsu's threshold",
            reason="the usual way to split a picture of two kinds of pixels",
        ),
        Deviation(
            paper="the schedule of the two stages is not given",
            implementation="both are trained side by side on the same images; the sketch "
            "networks spend "
            "equal times on every resolution",
            reason="eq. 3 sums them and neither gives the other a gradient",
        ),
        Deviation(
            paper="512 px, networks of 23 and 67 million parameters",
            implementation="preset quick: batch of 4, at most 64 channels (a factor of 8 "
            "narrower), 16 in "
            "the outermost layers of the renderer (a factor of 4), growth from 16 px on, sketches "
            "extracted at 256 px with sigma and area scaled to it",
            reason="minutes on two CPU cores",
        ),
    ),
)


@hookimpl
def benchbed_methods() -> Iterable[MethodSpec]:
    """SkrGAN."""
    return [SKRGAN]
