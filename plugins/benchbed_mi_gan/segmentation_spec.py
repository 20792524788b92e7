"""Method spec of MI-GAN's segmentation."""

from benchbed import Deviation, MethodSpec
from benchbed_mi_gan.paper import PAPER

MI_GAN_SEG = MethodSpec(
    name="mi-gan-seg",
    title="MI-GAN (segmentation)",
    paper=PAPER,
    implementation="benchbed_mi_gan.segmentation:MIGANSeg",
    settings="benchbed_mi_gan.segmentation_settings:MIGANSegSettings",
    capabilities=frozenset({"segment"}),
    sizes=(32, 64, 128, 256, 512, 1024),
    required_inputs=frozenset({"mask"}),
    presets={
        "quick": {
            "batch_size": 8,
            "features": 12,
            "discriminator_features": 8,
            "learning_rate": 1e-3,
        }
    },
    equations=(
        ("discriminator, eq. 4", "max_D  sum log D(x, y) + log(1 - D(x, G(x)))"),
        ("segmentation, eq. 5", "L_SEG = E[-y log G(x) - (1 - y) log(1 - G(x))]"),
        ("generator, eq. 6", "min_G  -sum log D(x, G(x)) + lambda L_SEG,   lambda = 10"),
    ),
    deviations=(
        Deviation(
            paper="figures 2 and 3 show the synthesis networks; the segmentation networks are not "
            "described",
            implementation="those of V-GAN (Son et al. 2017, reference 39), whose discriminators "
            "are the five rows of table 1",
            reason="the rows and the STARE values of table 2 coincide with V-GAN's",
        ),
        Deviation(
            paper="eq. 6 and 12 print D(G(y, z)) with L_SEG, which eq. 5 defines on G(x)",
            implementation="D(x, G(x)): G maps an image to vessels, and D sees both",
            reason="two networks share the letter G; as printed the terms do not fit together",
        ),
        Deviation(
            paper="eq. 6 weighs L_SEG with lambda = 10",
            implementation="L_SEG + L_adv / 10, as V-GAN's code",
            reason="the same optimum; the learning rate is that of the code",
        ),
        Deviation(
            paper="table 1 calls its patch discriminators 10x10 and 80x80",
            implementation="read as the grids of logits at 640 px: patch2 (10 x 10, patches of 537 "
            "px) and patch1 (80 x 80, patches of 61 px)",
            reason="V-GAN's two have these grids",
        ),
        Deviation(
            paper="G is updated twice, then D; V-GAN trains D for an epoch, then G for an epoch",
            implementation="D once and G once on every batch",
            reason="both are trained at every budget",
        ),
        Deviation(
            paper="the normalisation of D is not stated; V-GAN's code puts masks and predictions "
            "into one batch for the update of D, and only predictions into that of G",
            implementation="one batch for both updates",
            reason="D computes the same in both, and G's cross-entropy falls faster on DRIVE",
        ),
        Deviation(
            paper="values in [-1, 1], and z-scores per channel; the field of view is not mentioned",
            implementation="z-scores over the pixels whose red exceeds 40 of 255, as V-GAN's code, "
            "or over all pixels if there are none",
            reason="the field of view of a new image may be unknown",
        ),
        Deviation(
            paper="rotations and left-right flips, once, before training; no angles",
            implementation="random angles in every step, and brightness, contrast and saturation "
            "changed by up to a fifth as in V-GAN's code",
            reason="the same distribution without storing it",
        ),
        Deviation(
            paper="one training image in twenty is held out and selects the generator",
            implementation="EMA of the generator, trained on all images; its decay warms up",
            reason="every method here is evaluated at its last checkpoint; single steps differed "
            "by 0.04 in AUC-PR in a run on DRIVE, and the EMA was as good as the best of them",
        ),
        Deviation(
            paper="512 px; V-GAN pads to 640 px, its discriminators halve that six times",
            implementation="below 128 px poolings to a single pixel are left out",
            reason="every method is compared at every size",
        ),
        Deviation(
            paper="learning rate 2e-4; batch of 1, 32 channels in the outermost layers (V-GAN's "
            "code)",
            implementation="preset quick: learning rate 1e-3 for G, batch of 8, 12 channels in G "
            "and 8 in D",
            reason="minutes on two CPU cores; a narrow G needs and tolerates a higher learning "
            "rate",
        ),
    ),
)
