"""Where both directions depart from the paper, or where it is silent."""

from benchbed import Deviation

COMMON_DEVIATIONS = (
    Deviation(
        paper="pix2pix in three dimensions; no layer, width or kernel is given",
        implementation="pix2pix's U-Net and patch discriminator with kernels of 4 x 4 x 4; at 54 "
        "x 128 x 128 "
        "seven levels, six with strides 2, 2, 2 and one with 1, 2, 2; 32 channels in G, 8-fold at "
        "most, and 64 in D",
        reason="as a TensorFlow version of the network taught in a course; that has 64 channels in "
        "G and another order of strides, for volumes of 24 x 256 x 256",
    ),
    Deviation(
        paper="128 x 128 x 54",
        implementation="at any size the lengths are padded to powers of two with background (54 "
        "to 64, 27 to "
        "32, 14 to 16) and cut back; G halves each axis until one voxel is left, D thrice, but "
        "not below 4 voxels",
        reason="every method is compared at every size",
    ),
    Deviation(
        paper="losses, optimiser and batch are not given",
        implementation="cross-entropy + 100 L1, Adam with 2e-4 and beta1 = 0.5, batch of 1, "
        "weights "
        "N(0, 0.02); one update of D and one of G from one output of G",
        reason="pix2pix's, and the course's code",
    ),
    Deviation(
        paper="pix2pix normalises batches, in training and at test time",
        implementation=(
            "each volume by itself, in training and at test time; not in the innermost layer"
        ),
        reason="the same for batches of 1, and the cases made together stay independent; of a "
        "single voxel normalisation would leave nothing",
    ),
    Deviation(
        paper="pix2pix keeps dropout at test time",
        implementation=(
            "followed (inference_dropout); the noise is drawn from the seed of the sampling"
        ),
        reason="it is the only noise there is",
    ),
    Deviation(
        paper="200 epochs",
        implementation="the budget of the run",
        reason="every method has the same",
    ),
)
