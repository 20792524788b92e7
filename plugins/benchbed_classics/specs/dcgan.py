"""Method spec of DCGAN."""

from benchbed import Deviation, MethodSpec, Paper

DCGAN = MethodSpec(
    name="dcgan",
    title="DCGAN",
    paper=Paper(
        key="radford2016-dcgan",
        authors="Radford, Metz, Chintala",
        year=2016,
        title="Unsupervised representation learning with deep convolutional generative "
        "adversarial networks",
        venue="ICLR",
        url="https://arxiv.org/abs/1511.06434",
    ),
    implementation="benchbed_classics.dcgan:DCGAN",
    settings="benchbed_classics.settings:DCGANSettings",
    sizes=(32, 64, 128, 256, 512),
    takes_augmentation=True,
    presets={"quick": {"batch_size": 16, "features": 32, "max_features": 256}},
    equations=(
        ("discriminator, section 3", "max_D  E[log D(x)] + E[log(1 - D(G(z)))]"),
        ("generator, non-saturating", "max_G  E[log D(G(z))]"),
    ),
    deviations=(
        Deviation(
            paper="5 x 5 kernels in the authors' code; the paper does not say",
            implementation="4 x 4 kernels with stride 2",
            reason="as in most implementations; every output pixel is covered equally often",
        ),
        Deviation(
            paper="figure 1: 128 channels in the layer next to the image, 1024 in the first",
            implementation="64 and 512",
            reason="as in most implementations and in WGAN's code, so that wgan and wgan-gp have "
            "the same networks",
        ),
        Deviation(
            paper="whether the generator's update has new noise is not stated",
            implementation="the generator is updated on the images of the discriminator's update",
            reason="one pass through the generator less per step; every step has new noise",
        ),
        Deviation(
            paper="64 px only",
            implementation="one more layer per doubling of the size, channels doubling up to 512",
            reason="later papers compare at 512 px without giving the layers",
        ),
        Deviation(
            paper="authors' code adds an L2 penalty of 1e-5",
            implementation="none",
            reason="the paper does not mention it",
        ),
        Deviation(
            paper="batch of 128, 128 channels in the layer next to the image",
            implementation="preset quick: batch of 16, 32 channels, at most 256",
            reason="minutes on two CPU cores",
        ),
    ),
)
