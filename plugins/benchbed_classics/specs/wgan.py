"""Method spec of WGAN."""

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
    takes_augmentation=True,
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
            "double without limit",
            implementation="those networks; one more layer per doubling of the size, channels "
            "doubling up to 512",
            reason="the networks of dcgan here, so that only the objective differs",
        ),
        Deviation(
            paper="algorithm 1 has 5 critic updates per generator update; authors' code has 100 "
            "before the first 25 and before every 500th",
            implementation="as the authors' code",
            reason="the paper's results were obtained with it",
        ),
        Deviation(
            paper="authors' code clips before each critic update, algorithm 1 after it",
            implementation="after it, and once at the start",
            reason="the critic is within its bounds for every score",
        ),
        Deviation(
            paper="training is counted in generator updates",
            implementation="every critic update uses a new batch of the budget",
            reason="the budget counts training images for every method",
        ),
        Deviation(
            paper="batch of 64, 64 channels in the layer next to the image, learning rate 5e-5",
            implementation="preset quick: batch of 16, 32 to 256 channels, learning rate 2e-4, 5 "
            "critic updates without exceptions",
            reason="minutes on two CPU cores allow a few hundred generator updates; the authors' "
            "first 25 alone would use the whole budget",
        ),
    ),
)
