"""Settings of both directions."""

from __future__ import annotations

from benchbed import MethodSettings, setting

COURSE = "unstated; a TensorFlow version of the paper's network that was taught in a course"


class TranslationSettings(MethodSettings):
    """What both directions share; what the paper does not say is pix2pix's or the course's."""

    batch_size: int = setting(1, help="Volumes a step.", source=COURSE, ge=1, le=4096)
    features: int = setting(
        32,
        help="Channels of G's outermost layers, doubled with every halving, 8-fold at most.",
        source="unstated; 64 in the course's code, halved for memory",
        ge=1,
    )
    discriminator_features: int = setting(
        64,
        help="Channels of D's first layer, doubled with every layer, 8-fold at most.",
        source=COURSE,
        ge=1,
    )
    dropout: float = setting(
        0.5,
        help="Dropout in the three innermost layers of G's decoder.",
        source="section 3, by way of pix2pix",
        ge=0,
        lt=1,
    )
    inference_dropout: bool = setting(
        True,
        help="Whether dropout stays on after training: G has no other noise.",
        source="pix2pix; the course's code",
    )
    l1_weight: float = setting(
        100.0,
        help="Weight of the L1 distance beside the adversarial loss.",
        source="section 3, by way of pix2pix",
        ge=0,
    )
    learning_rate: float = setting(2e-4, help="Adam's step size, of G and D.", source=COURSE, gt=0)
    beta1: float = setting(0.5, help="Adam's decay of the first moment.", source=COURSE, ge=0, lt=1)


class SynthesisSettings(TranslationSettings):
    """Settings of the direction from label maps to MRI."""

    stored_maps: int = setting(
        256,
        help="Training label maps that are kept, to make pairs and samples from; a byte a voxel.",
        source="unstated; chosen",
        ge=1,
        le=4096,
    )
    tumour_classes: int = setting(
        3,
        help="How many of a mask's classes, counted from the last, are what pairs have altered: "
        "tumours, or whatever structure there is; all where there are no more.",
        source="section 2.1: oedema, enhancing and non-enhancing tumour",
        ge=1,
    )
    alter_tumours: bool = setting(
        True,
        help="Whether pairs and samples have their tumours shifted, enlarged, shrunk or "
        "transplanted; else they show label maps as they are, as where all labels are tissue.",
        source="section 3.1; figure 3, rows 3 to 6, else row 2",
    )
    largest_shift: float = setting(
        10.0,
        help="Largest shift of a tumour along each axis, in voxels of a volume of 128 px.",
        source="unstated; chosen",
        ge=0,
    )
    largest_scaling: float = setting(
        0.25,
        help="Largest change of a tumour's extent, as a share of it.",
        source="unstated; chosen",
        ge=0,
        lt=1,
    )


class SegmentationSettings(TranslationSettings):
    """Settings of the direction from MRI to label maps."""

    augment: bool = setting(
        True,
        help="Whether volumes are turned, shifted, cropped and deformed at random, masks alike.",
        source="table 1, rows with aug",
    )
