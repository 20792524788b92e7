"""WGAN, as declared to benchbed."""

from benchbed import Deviation, MethodSpec, Paper

WGAN = MethodSpec(
    name="wgan",
    title="WGAN",
    paper=Paper(
        key="arjovsky2017-wgan",
        authors="Arjovsky, Chintala, Bottou",
        year=2017,
        title="Wasserstein generative adversarial networks",
        venue="ICML",
        url="https://arxiv.org/abs/1701.07875",
    ),
    implementation="benchbed_classics.wgan:WGAN",
    settings="benchbed_classics.settings:WGANSettings",
    sizes=(32, 64, 128, 256, 512),
    presets={
        "quick": {
            "batch_size": 16,
            "features": 32,
            "max_features": 256,
            "learning_rate": 2e-4,
            "warmup_updates": 0,
            "long_every": 0,
        }
    },
    equations=(
        ("critic, eq. 3 and algorithm 1", "max_w  E[f_w(x)] - E[f_w(g(z))],  |w_i| <= c = 0.01"),
        ("generator, algorithm 1", "max_theta  E[f_w(g_theta(z))]"),
    ),
    deviations=(
        Deviation(
            paper="section 4.1: DCGAN's networks at 64 px; authors' code: 4 x 4 kernels, channels "
            "that double without end",
            implementation="those networks; one more layer for every doubling of the size, "
            "channels doubling "
            "up to 512",
            reason="the rule of dcgan here, so that the two differ in their objective alone",
        ),
        Deviation(
            paper="algorithm 1 has 5 critic updates before each generator update; authors' code "
            "has 100 before the first 25 and before every 500th",
            implementation="as the authors' code",
            reason="the paper's results were made with it",
        ),
        Deviation(
            paper="authors' code clips before each critic update, algorithm 1 after it",
            implementation="after it, and once at the start",
            reason="so every score is given by a critic within its bounds",
        ),
        Deviation(
            paper="training is counted in generator updates",
            implementation="every critic update takes a batch of its own from the budget",
            reason="the budget counts the images shown, for every method alike",
        ),
        Deviation(
            paper="batch of 64, 64 channels next to the image, step size 5e-5",
            implementation="preset quick: batch of 16, 32 channels (a factor of 2 narrower), "
            "step size 2e-4, "
            "always 5 critic updates",
            reason="minutes on two CPU cores are some hundred generator updates; the first 25 of "
            "the authors' schedule alone would take the whole budget",
        ),
    ),
)
