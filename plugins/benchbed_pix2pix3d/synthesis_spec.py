"""Method spec of pix2pix from label maps to MRI."""

from benchbed import Deviation, MethodSpec
from benchbed_pix2pix3d.common_deviations import COMMON_DEVIATIONS
from benchbed_pix2pix3d.paper import PAPER

PIX2PIX_3D = MethodSpec(
    name="pix2pix-3d",
    title="pix2pix (3-D)",
    paper=PAPER,
    implementation="benchbed_pix2pix3d.synthesis:Pix2Pix3D",
    settings="benchbed_pix2pix3d.settings:SynthesisSettings",
    capabilities=frozenset({"sample", "pairs", "synthesize"}),
    sizes=(32, 64, 128),
    dimensions=(3,),
    required_inputs=frozenset({"mask"}),
    presets={"quick": {"features": 16, "discriminator_features": 8, "learning_rate": 1e-3}},
    equations=(
        ("figure 1 b", "G: labels y -> MRI x, one channel per sequence; D: (y, x) real or fake?"),
        ("discriminator, pix2pix eq. 1", "max_D  E[log D(y, x)] + E[log(1 - D(y, G(y)))]"),
        ("generator, pix2pix eq. 1 and 3", "min_G  -E[log D(y, G(y))] + 100 E[|x - G(y)|_1]"),
        (
            "alteration, section 3.1",
            "pairs (A(y), G(A(y))),   A one of shift, enlarge, shrink, transplant",
        ),
    ),
    deviations=(
        *COMMON_DEVIATIONS,
        Deviation(
            paper="the encoding of labels is not given",
            implementation="one-hot with a channel for the background, in {-1, 1}; tumour "
            "overrides tissue",
            reason="classes have no order",
        ),
        Deviation(
            paper="tumours are shifted, enlarged, shrunk, or placed on tumour-free brains; no "
            "ranges",
            implementation="the last three classes (tumour_classes) are tumour; a random one of "
            "the four; shifts uniform within 10 voxels at 128 px per axis, factors of 0.75 to 1.25 "
            "about the centroid, nearest neighbour",
            reason="chosen; tumours stay within a hemisphere",
        ),
        Deviation(
            paper="tumours are transplanted to tumour-free brain labels of ADNI",
            implementation="to the masks of the dataset that --masks-from names, up to half of "
            "stored_maps; without it to training cases without a tumour; if all have one, to "
            "those, with theirs replaced by the nearest tissue; without tissue labels there are no "
            "transplants",
            reason="a run with one dataset has no other brains; shin-table1 names ADNI",
        ),
        Deviation(
            paper="uncovered voxels, and tumours outside the brain, are not mentioned",
            implementation="uncovered voxels get the nearest tissue; tumour outside the brain is "
            "dropped; a tumour that would be lost entirely is not altered",
            reason="all pairs have valid labels",
        ),
        Deviation(
            paper="tissue labels come from a segmentation network trained on ADNI",
            implementation="from the masks; if they have none, the brain is what has a label or "
            "exceeds -0.99 in any sequence, and a tumour uncovers background",
            reason="the method does not depend on the origin of the masks",
        ),
        Deviation(
            paper="images are generated from given labels",
            implementation="samples and pairs use the first 256 (stored_maps) training label maps, "
            "in the order of the run's seed, less those of --masks-from",
            reason="sampling tasks provide no labels; only training label maps are stored",
        ),
        Deviation(
            paper="T1 is learned from ADNI and BRATS, the other sequences only from BRATS",
            implementation="all sequences from the dataset of the run",
            reason="a run has one dataset",
        ),
        Deviation(
            paper="widths and learning rate unstated (above: 32 channels in G, 64 in D, 2e-4)",
            implementation="preset quick: 16 in G, 8 in D, 1e-3",
            reason="minutes on two CPU cores; narrow networks need and tolerate a higher learning "
            "rate",
        ),
    ),
)
