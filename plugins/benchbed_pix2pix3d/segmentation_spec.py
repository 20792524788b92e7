"""Method spec of pix2pix from MRI to label maps."""

from benchbed import Deviation, MethodSpec
from benchbed_pix2pix3d.common_deviations import COMMON_DEVIATIONS
from benchbed_pix2pix3d.paper import PAPER

PIX2PIX_3D_SEG = MethodSpec(
    name="pix2pix-3d-seg",
    title="pix2pix (3-D, segmentation)",
    paper=PAPER,
    implementation="benchbed_pix2pix3d.segmentation:Pix2Pix3DSeg",
    settings="benchbed_pix2pix3d.settings:SegmentationSettings",
    capabilities=frozenset({"segment"}),
    sizes=(32, 64, 128),
    dimensions=(3,),
    required_inputs=frozenset({"mask"}),
    presets={
        "quick": {
            "features": 16,
            "discriminator_features": 8,
            "learning_rate": 1e-3,
            "discriminator_learning_rate": 1e-3,
        }
    },
    equations=(
        ("figure 1 a and c", "G: MRI x -> labels y, tissue or tumour; D: (x, y) real or fake?"),
        ("discriminator, pix2pix eq. 1", "max_D  E[log D(x, y)] + E[log(1 - D(x, G(x)))]"),
        ("generator, pix2pix eq. 1 and 3", "min_G  -E[log D(x, G(x))] + 100 E[|y - G(x)|_1]"),
        ("label map", "argmax over background and classes of G(x)"),
        ("probability of a class", "p_k = 1/2 + (G_k - G_0) / 4 for the largest k > 0, else 0"),
    ),
    deviations=(
        *COMMON_DEVIATIONS,
        Deviation(
            paper="the encoding of labels is not given",
            implementation="one tanh channel per class and one for the background, with L1 to the "
            "one-hot target in {-1, 1}",
            reason="unchanged pix2pix, and labels by argmax",
        ),
        Deviation(
            paper="G outputs label maps; probabilities are not mentioned",
            implementation="1/2 + (largest class - background) / 4, all for that class: the sum "
            "exceeds 1/2 exactly where the argmax is not background",
            reason="tasks need probabilities; a threshold of 1/2 gives the paper's label map",
        ),
        Deviation(
            paper="with aug: crop, rotation, translation and elastic deformation, no ranges",
            implementation="augment: rotations up to 10 degrees, translations up to 8 voxels, "
            "crops down to 0.9, displacements up to about 6 voxels with a smoothness of 4, lengths "
            "at 128 px; each applied to half of the cases",
            reason="chosen; --augment flip adds flips for every method",
        ),
        Deviation(
            paper="table 1 scores at 256 x 256 x 108",
            implementation="at the size of the cases, as every method here",
            reason="defined by the task",
        ),
        Deviation(
            paper="widths and learning rate unstated (above: 32 channels in G, 64 in D, 2e-4)",
            implementation="preset quick: 16 in G, 8 in D, 1e-3 for both",
            reason="minutes on two CPU cores; a narrow G needs and tolerates a higher learning "
            "rate. In some runs a loss of D near 0 went with a Dice near 0; 2e-4 for D did not "
            "raise the Dice of five seeds on the phantom, and lowered their AUC-PR from .87 to .83",
        ),
    ),
)
