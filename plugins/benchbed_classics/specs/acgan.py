"""Method spec of ACGAN."""

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
    optional_inputs=frozenset({"label"}),
    sizes=(32, 64, 128, 256, 512),
    takes_augmentation=True,
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
            reason="the non-saturating form, as for every method here",
        ),
        Deviation(
            paper="the layers of appendix A do not lead from 1 x 1 to 128 px; no padding is given",
            implementation="unpadded 5 x 5 layers, one more of 64 channels than in the table, and "
            "a last layer of 8 x 8 from 61 to 128 px",
            reason="the layers of the common re-implementation",
        ),
        Deviation(
            paper="128 px only (and 32 px with separate networks)",
            implementation="smaller images use the first generator layers, larger ones repeat the "
            "layer of 64 channels; above 128 px every doubling repeats the last pair of "
            "discriminator layers",
            reason="later papers compare at 512 px without giving the layers",
        ),
        Deviation(
            paper="needs labels; later papers compare with it on unlabelled images without saying "
            "how",
            implementation="the classes of the dataset, or one class for all images, for which L_C "
            "is 0",
            reason="no labels are invented",
        ),
        Deviation(
            paper="100 networks of 10 classes each; classes equally frequent",
            implementation="one network for all classes; samples have the class frequencies of the "
            "training data",
            reason="medical datasets have few classes of unequal size; metrics compare all "
            "together",
        ),
        Deviation(
            paper="whether the generator's update has new noise is not stated",
            implementation="the generator is updated on the images and classes of the "
            "discriminator's update",
            reason="one pass through the generator less per step; every step has new noise",
        ),
        Deviation(
            paper="appendix A searches noise of 0, 0.1 and 0.2 on activations",
            implementation="none",
            reason="the paper does not say which was used",
        ),
        Deviation(
            paper="batch of 100, learning rate of 1e-4 to 3e-4",
            implementation="preset quick: batch of 16, learning rate 5e-4, a quarter of the "
            "generator's channels and half of the discriminator's",
            reason="minutes on two CPU cores allow a thousand updates; with the paper's learning "
            "rate all samples are then the same",
        ),
    ),
)
