"""The dual GAN, as declared to benchbed."""

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
        ("section 4", "a sample: y = G_I(z), cut to two values; x = G_II(y)"),
    ),
    deviations=(
        Deviation(
            paper="section 6 prints l_D with real and generated exchanged, and D(x) in l_G where "
            "D(G(z)) is meant; the bracket of section 7 closes too early",
            implementation="real images are labelled real; G's loss is the non-saturating one",
            reason="as printed D would be trained to be wrong; the authors' code has this loss",
        ),
        Deviation(
            paper="section 5: D has two convolutional layers of 5 x 5 and fully connected ones",
            implementation=(
                "stage I has the four 5 x 5 layers and the linear one of the authors' code"
            ),
            reason="no network of that code has two",
        ),
        Deviation(
            paper="the resolution is not given; 512 px in the authors' code",
            implementation="at 512 px its tables, layer by layer. At other sizes stage I keeps "
            "its four "
            "layers and starts from size / 16 px; stage II has a layer less of the innermost "
            "wide ones for each halving; its D stays",
            reason="at 64 px stage I is so the original DCGAN of the code that the authors took; "
            "stage II always reaches 2 px",
        ),
        Deviation(
            paper="section 7 names vess2ret (Costa et al. 2017); the authors' code has another "
            "network, pix2pix's with the first and last layer normalised, and RMSProp",
            implementation="vess2ret; stage2=authors for the other",
            reason="the paper's text decides",
        ),
        Deviation(
            paper="vess2ret trains D on 20 pairs, then G on 20; the authors' code compares D's "
            "patches with a target of a fixed size that does not fit 512 px",
            implementation="D and G in turn, batch by batch; a target for each patch that there is",
            reason="both are accidents of the code",
        ),
        Deviation(
            paper="batches of 7 in stage I, of 1 (vess2ret) or 32 (authors' code) in stage II",
            implementation="batches of 7 in both",
            reason="one batch size a run; normalising one case at one pixel leaves nothing of it",
        ),
        Deviation(
            paper="how long each stage is trained is not given",
            implementation="stage I has the first half of the budget (stage1_share), stage II "
            "the second; "
            "none changes the other",
            reason="one budget a method, and no reason to prefer one",
        ),
        Deviation(
            paper="section 3: stage I learns masks of DRIVE, stage II photographs of MESSIDOR with "
            "masks from a segmentation network",
            implementation="both learn from the pairs of one data set; --dataset messidor "
            "--masks-from drive "
            "--annotator unet for the paper's way",
            reason="a comparison gives every method the same data",
        ),
        Deviation(
            paper="how a drawn mask gets its two values is not said",
            implementation=(
                "above 0 of [-1, 1] is vessel; threshold=otsu for a threshold of each mask"
            ),
            reason="0 lies between the two values",
        ),
        Deviation(
            paper="section 7: G(z, y) has noise; both codes have dropout in its place",
            implementation="dropout while training, none while sampling: a mask has one image",
            reason="so both codes sample; what varies is the mask",
        ),
        Deviation(
            paper="the initial weights of stage II are not given",
            implementation="N(0, 0.02^2), gains N(1, 0.02^2), biases 0, in both stages",
            reason="those of Radford et al. 2016 and Isola et al. 2017",
        ),
        Deviation(
            paper="64 channels in the outermost layers, batch of 7, step sizes of 2e-4",
            implementation="preset quick: 24 channels in stage I (a factor of 2.7 narrower) and "
            "16 in stage "
            "II (a factor of 4), batch of 16, step sizes of 5e-4 and 1e-3, 65 % of the budget for "
            "stage I",
            reason="minutes on two CPU cores. One pixel in twelve is vessel at 64 px: after 10 "
            "kimg the arcades are drawn, the thin branches are specks, and masks differ little "
            "but in which eye they show; 1e-3 in stage I, or batches of 4 to 8, left more specks "
            "or one mask for all noise. Stage II follows its mask after 4 kimg. With 20 pairs, as "
            "DRIVE has, the specks are more and stage II renders them with blocks",
        ),
    ),
)


@hookimpl
def benchbed_methods() -> Iterable[MethodSpec]:
    """The dual GAN."""
    return [DUAL_GAN]
