"""Method spec of WGAN-GP."""

from benchbed import Deviation, MethodSpec, Paper

WGAN_GP = MethodSpec(
    name="wgan-gp",
    title="WGAN-GP",
    paper=Paper(
        key="gulrajani2017-wgan-gp",
        authors="Gulrajani, Ahmed, Arjovsky, Dumoulin, Courville",
        year=2017,
        title="Improved training of Wasserstein GANs",
        venue="NIPS",
        url="https://arxiv.org/abs/1704.00028",
    ),
    implementation="benchbed_classics.wgan_gp:WGANGP",
    settings="benchbed_classics.settings:WGANGPSettings",
    sizes=(32, 64, 128, 256, 512),
    takes_augmentation=True,
    presets={"quick": {"batch_size": 16, "features": 32, "max_features": 256}},
    equations=(
        (
            "critic, eq. 3",
            "min_w  E[D(G(z))] - E[D(x)] + lambda E[(|grad D(y)|_2 - 1)^2],  y between x and G(z)",
        ),
        ("generator, algorithm 1", "min_theta  -E[D(G_theta(z))]"),
    ),
    deviations=(
        Deviation(
            paper="section 5.2 tries many networks at 64 px, DCGAN's among them; authors' code has "
            "5 x 5 kernels and a dense first layer",
            implementation="the networks of dcgan here at every size, with layer instead of batch "
            "normalisation in the critic (section 4)",
            reason="wgan, wgan-gp and dcgan differ only in their objective",
        ),
        Deviation(
            paper="training is counted in generator updates",
            implementation="every critic update uses a new batch of the budget",
            reason="the budget counts training images for every method",
        ),
        Deviation(
            paper="batch of 64, 64 channels in the layer next to the image, learning rate 1e-4",
            implementation="preset quick: batch of 16, 32 to 256 channels",
            reason="minutes on two CPU cores",
        ),
    ),
)
