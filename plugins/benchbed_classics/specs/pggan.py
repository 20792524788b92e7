"""Method spec of PGGAN."""

from benchbed import Deviation, MethodSpec, Paper

PGGAN = MethodSpec(
    name="pggan",
    title="PGGAN",
    paper=Paper(
        key="karras2018-pggan",
        authors="Karras, Aila, Laine, Lehtinen",
        year=2018,
        title="Progressive growing of GANs for improved quality, stability, and variation",
        venue="ICLR",
        url="https://arxiv.org/abs/1710.10196",
    ),
    implementation="benchbed_classics.pggan:PGGAN",
    settings="benchbed_classics.settings:PGGANSettings",
    sizes=(32, 64, 128, 256, 512, 1024),
    takes_augmentation=True,
    presets={
        "quick": {
            "batch_size": 8,
            "latent_dim": 64,
            "base": 512,
            "max_channels": 32,
            "learning_rate": 2e-3,
            "level_weights": (0, 0, 0, 0, 1, 2, 2, 2),
            "level_fade": 0.3,
            "average_decay": 0.99,
        }
    },
    equations=(
        (
            "discriminator, appendix A.1",
            "min_D  E[D(G(z))] - E[D(x)] + 10 E[(|grad D(y)|_2 - 1)^2] + 0.001 E[D(x)^2]",
        ),
        ("generator, appendix A.1", "min_G  -E[D(G(z))]"),
        ("equalised learning rate, section 4.1", "w' = w sqrt(2 / fan_in)"),
        ("pixel norm, section 4.2", "b = a / sqrt(mean_j (a_j)^2 + 1e-8)"),
        ("fade-in, figure 2", "x = (1 - alpha) up(x_old) + alpha x_new"),
    ),
    deviations=(
        Deviation(
            paper="section 3: the standard deviation over the whole minibatch",
            implementation="over groups of 4 images",
            reason="as the authors' code",
        ),
        Deviation(
            paper="the size at which the penalty takes gradients is not given; the authors' code "
            "repeats the pixels of small images up to the final size",
            implementation="as the authors' code: while images have 1 / n of the final side, the "
            "penalty is (norm / n - 1)^2",
            reason="the paper's results were obtained with it",
        ),
        Deviation(
            paper="the authors' code draws new noise for the generator's update",
            implementation="the generator is updated on the images of the discriminator's update",
            reason="one pass through the generator less per step; every step has new noise",
        ),
        Deviation(
            paper="appendix A.1: minibatches of 16, and of 14, 6 and 3 from 256 px upwards",
            implementation="16 at every size",
            reason="the paper lowers it only to fit its GPU memory",
        ),
        Deviation(
            paper="appendix A.1: each phase, fade-in or stable, takes 800 thousand images",
            implementation="each takes an equal share of the budget",
            reason="a comparison fixes the budget; 12,000 kimg at 512 px (preset paper) gives 800 "
            "thousand images per phase",
        ),
        Deviation(
            paper="appendix A.1: running average of the generator with a decay of 0.999",
            implementation="the decay warms up to that, min(0.999, (1 + t) / (10 + t)) at update "
            "t, and the average starts afresh when layers are added",
            reason="otherwise short trainings are scored with layers near their initial values",
        ),
        Deviation(
            paper="latent of 512, channels from a base of 8192 and at most 512, growth from 4 px "
            "with equal times, half of them to fade in, batch of 16, learning rate 1e-3, decay "
            "of 0.999",
            implementation="preset quick: latent of 64, channels from a base of 512 and at most "
            "32, growth over the last four sizes (from 8 px at 64 px, from 16 px at 128 px) with "
            "times of 1, 2, 2 and 2, 30 % of them to fade in, batch of 8, learning rate 2e-3, "
            "decay of 0.99",
            reason="minutes on two CPU cores allow three thousand updates",
        ),
    ),
)
