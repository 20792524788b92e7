"""ACGAN, as declared to benchbed."""

from benchbed import Deviation, MethodSpec, Paper

ACGAN = MethodSpec(
    name="acgan",
    title="ACGAN",
    paper=Paper(
        key="odena2017-acgan",
        authors="Odena, Olah, Shlens",
        year=2017,
        title="Conditional image synthesis with auxiliary classifier GANs",
        venue="ICML",
        url="https://arxiv.org/abs/1610.09585",
    ),
    implementation="benchbed_classics.acgan:ACGAN",
    settings="benchbed_classics.settings:ACGANSettings",
    sizes=(32, 64, 128, 256, 512),
    presets={
        "quick": {
            "batch_size": 16,
            "generator_width": 0.25,
            "discriminator_width": 0.5,
            "learning_rate": 5e-4,
        }
    },
    equations=(
        ("source, eq. 2", "L_S = E[log P(S = real | x)] + E[log P(S = fake | G(c, z))]"),
        ("class, eq. 3", "L_C = E[log P(C = c | x)] + E[log P(C = c | G(c, z))]"),
        ("updates, section 3", "max_D  L_S + L_C,   max_G  L_C - L_S"),
    ),
    deviations=(
        Deviation(
            paper="G maximises L_C - L_S",
            implementation="its -L_S is replaced by E[log P(S = real | G(c, z))]",
            reason="the non-saturating form, as of every method here",
        ),
        Deviation(
            paper="appendix A gives channels, kernels and strides, whose doublings do not lead "
            "from 1 x 1 to 128 px; no padding",
            implementation="unpadded 5 x 5 layers, one more of 64 channels after the table's, "
            "and a last one "
            "of 8 x 8 from 61 to 128 px",
            reason="the layers of the usual re-implementation",
        ),
        Deviation(
            paper="128 px only (and 32 px with networks of their own)",
            implementation="a smaller image takes the first of the generator's layers, a larger "
            "one repeats "
            "that of 64 channels; beyond 128 px every doubling repeats the discriminator's last "
            "pair of layers",
            reason="the comparisons of later papers are at 512 px and do not say how",
        ),
        Deviation(
            paper="needs labels; later papers compare with it on images without any and do not "
            "say how",
            implementation="the data set's classes where it has some, else one class for all "
            "images, with "
            "which L_C is 0",
            reason="nothing is invented that the data do not hold",
        ),
        Deviation(
            paper="100 networks of 10 classes each; classes equally frequent",
            implementation=(
                "one network for all classes; classes of samples as frequent as in training"
            ),
            reason="medical data have few classes, of unequal size; metrics compare with them all",
        ),
        Deviation(
            paper="appendix A searches noise of 0, 0.1 and 0.2 on activations",
            implementation="none",
            reason="the paper does not say which was taken",
        ),
        Deviation(
            paper="batch of 100, step size of 1e-4 to 3e-4",
            implementation="preset quick: batch of 16, step size 5e-4, a quarter of the "
            "generator's channels "
            "and half of the discriminator's",
            reason="minutes on two CPU cores are a thousand updates; with the paper's step size "
            "every sample is the same after them",
        ),
    ),
)
