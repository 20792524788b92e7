"""Method spec of MI-GAN's synthesis."""

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
            "L_ST = l_cont + 10 l_sty + 100 l_tv, instead of lambda L_DEV",
        ),
    ),
    deviations=(
        Deviation(
            paper="eq. 3 sums only the first term over the images; eq. 4 is called a loss",
            implementation="batch means of both terms, the L1 over the pixels too; D's loss is the "
            "negative of eq. 4",
            reason="as in eq. 1 and 2; as printed D would learn the wrong labels",
        ),
        Deviation(
            paper="figure 2: 8 x 8 x 256 and 8 x 8 x 512 are concatenated to 8 x 8 x 786",
            implementation="768",
            reason="256 + 512",
        ),
        Deviation(
            paper="512 px; G halves down to 8 px and D to 16",
            implementation="the same at 512 px; smaller images are halved as often (six times in "
            "G, five in D) but not below 4 px",
            reason="every method is compared at every size",
        ),
        Deviation(
            paper="batch normalisation after every convolution; batch size and test time unstated",
            implementation="none in the first layers; each image separately, in training and "
            "sampling, with an epsilon of 1e-3 and a learned gain and shift",
            reason="the public code normalises batches of one and never uses running statistics, "
            "which would amplify the noise of evaluation without bound; it learns the shift only, "
            "but the layer named by the paper has both",
        ),
        Deviation(
            paper="the noise has a standard deviation of 0.001 in training and of 1 in evaluation",
            implementation="as in the paper (training_noise, sampling_noise)",
            reason="the noise is practically off in training, so its effect on samples is not "
            "learned",
        ),
        Deviation(
            paper="G twice and then D; the noise is not stated",
            implementation="D once, then G twice, each with new noise",
            reason="the public code's order; the ratio is what matters",
        ),
        Deviation(
            paper="images are generated from given masks",
            implementation="a sample is a mask and its image; the mask is one of the first 256 "
            "(stored_masks) training masks in the order of the run's seed",
            reason="sampling tasks provide no masks; only training masks are stored",
        ),
        Deviation(
            paper="images are augmented by rotation and flips; every channel is z-scored, and "
            "values are in [-1, 1]",
            implementation="values in [-1, 1]; flips by --augment flip, as for every method",
            reason="z-scores do not fit tanh; all methods get the same input",
        ),
        Deviation(
            paper="the generator with the lowest loss on one image in twenty is selected",
            implementation="the last generator, trained on all images",
            reason="every method here is evaluated at its last checkpoint",
        ),
        Deviation(
            paper="style transfer: eq. 8 to 10 print squared norms, with weights 1, 10 and 100",
            implementation="style_norm=zhao: mean absolute differences, Gram matrices over H W C; "
            "style_norm=paper: as printed",
            reason="the public code with these weights",
        ),
        Deviation(
            paper="content layer index 0 of block 4",
            implementation="relu4_2",
            reason="there is no layer 0; as in the public code",
        ),
        Deviation(
            paper="VGG-19; the public code feeds it values up to 255, at 512 px",
            implementation="torchvision's weights and input scale, features multiplied by 255 x "
            "0.225, at the size of the run; vgg=random as a separate setting if the weights are "
            "unavailable",
            reason="features scale with their input, so the printed weights keep their meaning",
        ),
        Deviation(
            paper="one style image x_s per training, chosen by hand",
            implementation="the real image of the same mask",
            reason="samples are compared with the dataset",
        ),
        Deviation(
            paper="eq. 12 adds L_SEG to the style loss",
            implementation="omitted",
            reason="L_SEG trains the other direction, image to mask (mi-gan-seg)",
        ),
        Deviation(
            paper="batch unstated (1 in the public code); 64 channels in the outermost layers of "
            "G, 32 in D",
            implementation="preset quick: batch of 4, 16 channels in G and in D",
            reason="minutes on two CPU cores",
        ),
    ),
)
