"""Method spec of SkrGAN."""

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
    takes_augmentation=True,
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
        ("eq. 3", "the sum of both; x an image, y its sketch, lambda = 100"),
    ),
    deviations=(
        Deviation(
            paper="eq. 1 and 2 exchange D(G(.)) and D(real)",
            implementation="real images are labelled real",
            reason="as printed the discriminator would learn the wrong labels",
        ),
        Deviation(
            paper="eq. 1 is a cross-entropy; section 2.2 uses the backbone of Karras et al.",
            implementation="the backbone's loss, Wasserstein with gradient penalty and drift; "
            "preset quick uses the printed one without penalty (sketch_loss=bce, penalty_weight=0)",
            reason="the backbone was published with that loss and grows stably with it; the "
            "printed one costs half as much per step and gives more in the same time",
        ),
        Deviation(
            paper="eq. 1 multiplies the noise by an undefined latent code l",
            implementation="l is 1; latent_code=learned for a learned vector",
            reason="with l = 1 the backbone is as published",
        ),
        Deviation(
            paper="section 2.1 gives the steps of sketch extraction without parameters",
            implementation="Gaussian of 2 px and area opening and closing of 64 px, at 512 px",
            reason="as in the only public re-implementation",
        ),
        Deviation(
            paper="section 2.1 does not give the scaling of edge strengths",
            implementation="the 97th percentile maps to white",
            reason="otherwise the rim of the field of view compresses vessels to a tenth of the "
            "range",
        ),
        Deviation(
            paper="section 2.3 names a U-Net and a conditional discriminator without layers",
            implementation="those of Isola et al. 2017, patches of 70 px",
            reason="the paper builds on it",
        ),
        Deviation(
            paper="section 3.2 trains a segmentation network on images and sketches, without "
            "stating how a sketch becomes a mask",
            implementation="the mask of a pair is its sketch above Otsu's threshold",
            reason="the standard threshold for two kinds of pixels",
        ),
        Deviation(
            paper="the schedule of the two stages is not given",
            implementation="both are trained in parallel on the same images; the sketch networks "
            "spend equal times on every resolution",
            reason="eq. 3 sums them and neither gives the other a gradient",
        ),
        Deviation(
            paper="the backbone averages G_S with a decay of 0.999",
            implementation="the decay warms up to that, min(0.999, (1 + t) / (10 + t)) at update "
            "t, and the average starts afresh when layers are added",
            reason="otherwise short trainings are scored with layers near their initial values",
        ),
        Deviation(
            paper="the size at which the backbone's penalty takes gradients is not given; Karras "
            "et al.'s code repeats the pixels of small sketches up to the final size",
            implementation="as that code: while sketches have 1 / n of the final side, the penalty "
            "is (norm / n - 1)^2",
            reason="the backbone's results were obtained with it",
        ),
        Deviation(
            paper="Karras et al.'s code draws new noise for the update of G_S; the paper says "
            "nothing",
            implementation="G_S and G_P are updated on the outputs of the updates of D_S and D_P",
            reason="one pass through each generator less per step; every step has new noise",
        ),
        Deviation(
            paper="512 px; latent of 512, at most 512 channels, growth from 4 px with equal times, "
            "half of them to fade in, decay of 0.999 (Karras et al.); 64 channels and dropout of "
            "0.5 (Isola et al.)",
            implementation="preset quick: batch of 4, latent of 64, channels from a base of 512 "
            "and at most 64, growth over the last three sizes (from 16 px at 64 px, from 32 px at "
            "128 px) with times of 1, 2 and 3, 30 % of them to fade in, decay of 0.997; a renderer "
            "with 16 channels in the outermost layers, without dropout; sketches extracted at 256 "
            "px with a sigma of 1 and an area of 16",
            reason="minutes on two CPU cores; a narrow renderer has few weights to regularise",
        ),
    ),
)


@hookimpl
def benchbed_methods() -> Iterable[MethodSpec]:
    """Return SkrGAN."""
    return [SKRGAN]
