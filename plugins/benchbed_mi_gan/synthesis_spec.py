"""MI-GAN's synthesis, as declared to benchbed."""

from benchbed import Deviation, MethodSpec
from benchbed_mi_gan.paper import PAPER

MI_GAN = MethodSpec(
    name="mi-gan",
    title="MI-GAN",
    paper=PAPER,
    implementation="benchbed_mi_gan.mi_gan:MIGAN",
    settings="benchbed_mi_gan.settings:MIGANSettings",
    capabilities=frozenset({"sample", "pairs", "synthesize"}),
    sizes=(32, 64, 128, 256, 512),
    required_inputs=frozenset({"mask"}),
    presets={"quick": {"batch_size": 4, "features": 16, "discriminator_features": 16}},
    equations=(
        ("eq. 1", "min_G max_D  E[log D(x, y)] + E[log(1 - D(G(y, z), y))] + lambda L_DEV(G)"),
        ("deviation, eq. 2", "L_DEV(G) = E[|x - G(y, z)|_1],   lambda = 10"),
        ("generator, eq. 3", "L_G = -sum log D(G(y, z), y) + lambda |x - G(y, z)|_1"),
        ("discriminator, eq. 4", "max_D  sum log D(x, y) + log(1 - D(G(y, z), y))"),
        ("Gram matrix, eq. 7", "M_ij = sum_k phi_ik phi_jk"),
        ("style, eq. 8", "l_sty = sum 0.2 / (W H) |M(x_s) - M(G(y, z))|_F^2,   relu1_1 to relu5_1"),
        ("content, eq. 9", "l_cont = 1 / (W H) |phi(x) - phi(G(y, z))|_F^2,   relu4_2"),
        ("total variation, eq. 10", "l_tv = sum |x_(w,h+1) - x_(w,h)|^2 + |x_(w+1,h) - x_(w,h)|^2"),
        (
            "style transfer, eq. 11",
            "L_ST = l_cont + 10 l_sty + 100 l_tv, in the place of lambda L_DEV",
        ),
    ),
    deviations=(
        Deviation(
            paper="eq. 3 sums the first term alone over the images; eq. 4 is called a loss",
            implementation="means of both terms over the batch, the L1 over the pixels too; D's "
            "loss is the "
            "negative of eq. 4",
            reason="as eq. 1 and 2 read; as printed D would be trained to be wrong",
        ),
        Deviation(
            paper="figure 2: 8 x 8 x 256 and 8 x 8 x 512 are joined to 8 x 8 x 786",
            implementation="768",
            reason="the sum",
        ),
        Deviation(
            paper="512 px; G goes down to 8 px and D to 16",
            implementation="the same there; a smaller image is halved as often (six times by G, "
            "five by D) "
            "but never below 4 px",
            reason="every method is compared at every size",
        ),
        Deviation(
            paper="batch normalisation after every convolution; batch and test time unstated",
            implementation="none in the first layers; each image by itself, in training and in "
            "sampling, "
            "with 1e-3 beside the variance",
            reason="the public code's, which normalises batches of one and never switches to "
            "running statistics: those of training would make the noise of evaluation explode",
        ),
        Deviation(
            paper="the noise has a deviation of 0.001 in training and of 1 in evaluation",
            implementation="followed, by training_noise and sampling_noise",
            reason="in training it is as good as off: what it does to a sample is not learned",
        ),
        Deviation(
            paper="G twice and then D, with which noise is not said",
            implementation="D once, then G twice, each with noise of its own",
            reason="the public code's order; the ratio is what matters",
        ),
        Deviation(
            paper="pictures are made from given masks",
            implementation="a sample is the pair of a mask and its picture; the mask is one of "
            "the first 256 "
            "(stored_masks) that training showed, in the order of the run's seed",
            reason="tasks that draw samples give no masks; all that is stored was trained on",
        ),
        Deviation(
            paper="images are augmented by rotation and flips; every channel is z-scored, and "
            "values are in [-1, 1]",
            implementation="values in [-1, 1]; flips by --augment flip, as for every method",
            reason="z-scores do not fit tanh; what a method is shown is equal for all",
        ),
        Deviation(
            paper="one image in twenty chooses the generator with the least validation loss",
            implementation="the last generator, trained on all",
            reason="every method here is judged by its last checkpoint",
        ),
        Deviation(
            paper="style transfer: eq. 8 to 10 print squared norms, weighed with 1, 10 and 100",
            implementation="style_norm=zhao: mean absolute differences, Gram matrices over H W C; "
            "style_norm=paper as printed",
            reason="the public code that has these weights computes this",
        ),
        Deviation(
            paper="content layer index 0 of block 4",
            implementation="relu4_2",
            reason="there is no layer 0; the public code's",
        ),
        Deviation(
            paper="VGG-19; the public code feeds it values up to 255, at 512 px",
            implementation="torchvision's weights and input scale, features multiplied with 255 "
            "x 0.225, at "
            "the size of the run; vgg=random where the weights cannot be had, under that name",
            reason="features grow with their input, so that the printed weights keep their sense",
        ),
        Deviation(
            paper="a style image x_s chosen by hand, one for a training",
            implementation="the real image of the same mask",
            reason="what is judged is how near samples come to the data set",
        ),
        Deviation(
            paper="eq. 12 adds L_SEG to the loss with style",
            implementation="left out",
            reason="L_SEG belongs to the other direction, from picture to mask (mi-gan-seg)",
        ),
        Deviation(
            paper="batch unstated (1 in the public code); 64 channels next to the image in G, and "
            "32 in D",
            implementation=(
                "preset quick: batch of 4, 16 in G, a factor of 4 narrower, and 16 in D, of 2"
            ),
            reason="minutes on two CPU cores",
        ),
    ),
)
