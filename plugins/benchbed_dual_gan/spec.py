"""Method spec of the dual GAN."""

from __future__ import annotations

from collections.abc import Iterable

from benchbed import Deviation, MethodSpec, Paper, hookimpl

DUAL_GAN = MethodSpec(
    name="dual-gan",
    title="Dual GAN",
    paper=Paper(
        key="guibas2017-dual-gan",
        authors="Guibas, Virdi, Li",
        year=2017,
        title="Synthetic medical images from dual generative adversarial networks",
        venue="arXiv",
        url="https://arxiv.org/abs/1709.01872",
    ),
    implementation="benchbed_dual_gan.dual_gan:DualGAN",
    settings="benchbed_dual_gan.settings:DualGANSettings",
    capabilities=frozenset({"sample", "pairs", "synthesize"}),
    sizes=(32, 64, 128, 256, 512),
    required_inputs=frozenset({"mask"}),
    presets={
        "quick": {
            "batch_size": 16,
            "stage1_share": 0.65,
            "mask_features": 24,
            "mask_learning_rate": 5e-4,
            "photo_features": 16,
            "photo_learning_rate": 1e-3,
        }
    },
    equations=(
        ("section 6, l_D, as meant", "min_D  -1/m sum [log D(x) + log(1 - D(G(z)))]"),
        ("section 6, l_G, non-saturating", "min_G  -1/m sum log D(G(z))"),
        (
            "section 7, with the L1 distance of vess2ret",
            "min_G max_D  E[log D(x, y)] + E[log(1 - D(G(z, y), y))] + lambda |G(z, y) - x|_1",
        ),
        ("section 4", "a sample: y = G_I(z), binarised; x = G_II(y)"),
    ),
    deviations=(
        Deviation(
            paper="section 6 prints l_D with real and generated exchanged, and D(x) in l_G where "
            "D(G(z)) is meant; the bracket of section 7 closes too early",
            implementation="real images are labelled real; G's loss is the non-saturating one",
            reason="as printed D would learn the wrong labels; the authors' code has this loss",
        ),
        Deviation(
            paper="section 5: D has two convolutional layers of 5 x 5 and fully connected ones",
            implementation="stage I has four 5 x 5 layers and a linear one, as in the authors' "
            "code",
            reason="no network of that code has two",
        ),
        Deviation(
            paper="the resolution is not given; 512 px in the authors' code",
            implementation="at 512 px the layers of that code. At other sizes stage I keeps its "
            "four layers and starts from size / 16 px; stage II loses one of the innermost wide "
            "layers per halving; its D is unchanged",
            reason="at 64 px stage I is then the original DCGAN code used by the authors; stage II "
            "always reaches 2 px",
        ),
        Deviation(
            paper="section 7 names vess2ret (Costa et al. 2017); the authors' code has pix2pix's "
            "network with the first and last layer normalised, and RMSProp",
            implementation="vess2ret; stage2=authors for the other",
            reason="the text of the paper takes precedence",
        ),
        Deviation(
            paper="vess2ret trains D on 20 pairs, then G on 20; the authors' code compares D's "
            "patches with a target of a fixed size that does not fit 512 px",
            implementation="D and G alternate on every batch, G on the images of D's update; one "
            "target per patch",
            reason="both are artefacts of the code; one pass through G less per step",
        ),
        Deviation(
            paper="both codes have dropout in the three innermost decoder layers, at 512 px of "
            "eight (vess2ret) or seven before the last",
            implementation="in the three innermost at every size: at 64 px of five or four, up to "
            "maps of 8 px or 16 px",
            reason="only the number of outer layers depends on the size",
        ),
        Deviation(
            paper="section 3: stage I is trained on DRIVE, forty masks by two experts; which of "
            "them is not stated",
            implementation="the masks of the first expert in the training split, 20 in DRIVE",
            reason="the test split scores the segmentation networks that learn from the samples",
        ),
        Deviation(
            paper="batches of 7 in stage I, of 1 (vess2ret) or 32 (authors' code) in stage II",
            implementation="batches of 7 in both",
            reason="one batch size per run; normalising one case at one pixel removes its value",
        ),
        Deviation(
            paper="the training time of each stage is not given",
            implementation="stage I uses the first half of the budget (stage1_share), stage II the "
            "second; neither changes the other",
            reason="one budget per method, and no reason to prefer a stage",
        ),
        Deviation(
            paper="section 3: stage I learns masks of DRIVE, stage II photographs of MESSIDOR with "
            "masks from a segmentation network",
            implementation="both learn from the pairs of one dataset; as in the paper with "
            "--dataset messidor --masks-from drive --annotator unet",
            reason="all methods of a comparison get the same data",
        ),
        Deviation(
            paper="how generated masks are binarised is not stated",
            implementation="vessel above 0 in [-1, 1]; threshold=otsu for Otsu's threshold of each "
            "mask",
            reason="0 is the middle between the two values",
        ),
        Deviation(
            paper="section 7: G(z, y) has noise; both codes use dropout instead",
            implementation="dropout in training, none in sampling: a mask has one image",
            reason="both codes sample like this; the variation comes from the mask",
        ),
        Deviation(
            paper="the initial weights of stage II are not given",
            implementation="N(0, 0.02^2), gains N(1, 0.02^2), biases 0, in both stages",
            reason="as Radford et al. 2016 and Isola et al. 2017",
        ),
        Deviation(
            paper="64 channels in the outermost layers, batch of 7, learning rates of 2e-4",
            implementation="preset quick: 24 channels in stage I and 16 in stage II, batch of 16, "
            "learning rates of 5e-4 and 1e-3, 65 % of the budget for stage I",
            reason="minutes on two CPU cores. One pixel in twelve is vessel at 64 px: after 10 "
            "kimg the arcades are drawn, thin branches are specks, and masks differ mainly in left "
            "or right eye; 1e-3 in stage I, or batches of 4 to 8, gave more specks or a single "
            "mask. Stage II follows its mask after 4 kimg. With 20 pairs, as in DRIVE, there are "
            "more specks and stage II renders them as blocks",
        ),
    ),
)


@hookimpl
def benchbed_methods() -> Iterable[MethodSpec]:
    """Return the dual GAN."""
    return [DUAL_GAN]
