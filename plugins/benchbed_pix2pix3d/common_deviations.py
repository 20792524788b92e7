"""Deviations from the paper that both directions share."""

from benchbed import Deviation

COMMON_DEVIATIONS = (
    Deviation(
        paper="pix2pix in three dimensions; layers, widths and kernels are not given",
        implementation="pix2pix's U-Net and patch discriminator with kernels of 4 x 4 x 4; at 54 x "
        "128 x 128 seven levels, six with strides 2, 2, 2 and one with 1, 2, 2; 32 channels in G, "
        "at most 8-fold, and 64 in D",
        reason="as in a TensorFlow version of the network from a course; that has 64 channels in G "
        "and another order of strides, for volumes of 24 x 256 x 256",
    ),
    Deviation(
        paper="128 x 128 x 54",
        implementation="at any size the lengths are padded to powers of two with background (54 to "
        "64, 27 to 32, 14 to 16) and cropped; G halves each axis down to one voxel, D three times, "
        "but not below 4 voxels",
        reason="every method is compared at every size",
    ),
    Deviation(
        paper="losses, optimiser and batch are not given",
        implementation="cross-entropy + 100 L1, Adam with 2e-4 and beta1 = 0.5, batch of 1, "
        "weights N(0, 0.02); one update of D and one of G from one output of G",
        reason="as in pix2pix and the course's code",
    ),
    Deviation(
        paper="pix2pix normalises batches, in training and at test time",
        implementation="each volume separately, in training and at test time; not in the innermost "
        "layer",
        reason="equivalent for batches of 1, and generated cases stay independent; normalising a "
        "single voxel removes its value",
    ),
    Deviation(
        paper="pix2pix keeps dropout at test time",
        implementation="as in pix2pix (inference_dropout); the noise depends on the sampling seed",
        reason="there is no other noise",
    ),
    Deviation(
        paper="pix2pix has dropout in the three innermost of seven decoder layers before the last, "
        "at 256 px",
        implementation="in the three innermost at every size: of six at 128 px, of five at 64 px, "
        "of four at 32 px, where it reaches maps of 4 x 8 x 8",
        reason="only the number of outer layers depends on the size",
    ),
    Deviation(
        paper="200 epochs for every model of table 1",
        implementation="the budget of the run in cases, whatever the regime: at the preset paper, "
        "42,200 cases are 200 epochs of 211 real volumes or of 211 synthetic ones, 100 of both, "
        "and, fine-tuned, 20 of 1055 synthetic and then 1000 of 21 real ones",
        reason="all rows get the same number of updates",
    ),
)
