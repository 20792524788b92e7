"""MI-GAN's segmentation, as declared to benchbed."""

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
            paper="figures 2 and 3 show the networks that make pictures from masks; the networks "
            "that segment are not described",
            implementation="those of V-GAN (Son et al. 2017, reference 39), which has the five "
            "rows of "
            "table 1 as its discriminators",
            reason="the rows and the STARE values of table 2 coincide with V-GAN's",
        ),
        Deviation(
            paper="eq. 6 and 12 print D(G(y, z)) with L_SEG, which eq. 5 defines on G(x)",
            implementation="D(x, G(x)): G goes from picture to vessels, and D sees both",
            reason="two networks share the letter G; as printed the terms do not fit together",
        ),
        Deviation(
            paper="eq. 6 weighs L_SEG with lambda = 10",
            implementation="L_SEG + L_adv / 10, as V-GAN's code",
            reason="the same optimum; the step size is that of the code",
        ),
        Deviation(
            paper="table 1 calls its patch discriminators 10x10 and 80x80",
            implementation="read as the grids of logits at 640 px: patch2 (10 x 10, patches of "
            "537 px) and "
            "patch1 (80 x 80, patches of 61 px)",
            reason="V-GAN's two have these grids",
        ),
        Deviation(
            paper="G is updated twice, then D; V-GAN trains D for an epoch, then G for an epoch",
            implementation="D once and G once on every batch",
            reason="every budget, however short, trains both",
        ),
        Deviation(
            paper="how D normalises is not said; V-GAN's code puts masks and guesses into one "
            "batch for D's update, and guesses alone into that of G",
            implementation="one batch for both updates",
            reason="D judges alike in both, and G's cross-entropy falls faster on DRIVE",
        ),
        Deviation(
            paper="values in [-1, 1], and z-scores a channel; the field of view is not mentioned",
            implementation="z-scores over the pixels whose red exceeds 40 of 255, as V-GAN's "
            "code, or over "
            "all where there is none",
            reason="the field of view of a new image need not be known",
        ),
        Deviation(
            paper="rotations and left-right flips, once, before training; no angles",
            implementation="at any angle, drawn anew each time, with brightness, contrast and "
            "saturation "
            "changed by up to a fifth as in V-GAN's code",
            reason="the same distribution without storing it",
        ),
        Deviation(
            paper="one training image in twenty is kept for validation and chooses the generator",
            implementation="the generator's average over its last steps, trained on all",
            reason="every method here is judged by its last checkpoint; single steps differed by "
            "0.04 in AUC-PR in one run on DRIVE, and the average was as good as the best of them",
        ),
        Deviation(
            paper="512 px; V-GAN pads to 640 px, its discriminators halve that six times",
            implementation="below 128 px the poolings that would leave a single pixel are left out",
            reason="every method is compared at every size",
        ),
        Deviation(
            paper="step size 2e-4; batch of 1, 32 channels next to the image (V-GAN's code)",
            implementation="preset quick: step size 1e-3 for G, batch of 8, 12 channels in G (a "
            "factor of "
            "2.7 narrower) and 8 in D (a factor of 4)",
            reason="minutes on two CPU cores; a narrow G needs, and bears, larger steps",
        ),
    ),
)
