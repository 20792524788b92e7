"""Settings of pix2pix for volumes, in both directions."""

from __future__ import annotations

from benchbed import MethodSettings, setting

COURSE_SOURCE = "unstated; a TensorFlow version of the paper's network from a course"


class TranslationSettings(MethodSettings):
    """Settings of both directions; values the paper does not give are pix2pix's or the course's."""

    batch_size: int = setting(
        1, help="Volumes per training step.", source=COURSE_SOURCE, ge=1, le=4096
    )
    features: int = setting(
        32,
        help="Channels of the outermost generator layers, doubled with every halving, at most "
        "8-fold.",
        source="unstated; 64 in the course's code, halved for memory",
        ge=1,
    )
    discriminator_features: int = setting(
        64,
        help="Channels of the first discriminator layer, doubled with every layer, at most 8-fold.",
        source=COURSE_SOURCE,
        ge=1,
    )
    dropout: float = setting(
        0.5,
        help="Dropout probability of the three innermost decoder layers of the generator.",
        source="section 3, by way of pix2pix",
        ge=0,
        lt=1,
    )
    inference_dropout: bool = setting(
        True,
        help="Keep dropout active after training: the generator has no other noise.",
        source="pix2pix; the course's code",
    )
    l1_weight: float = setting(
        100.0,
        help="Weight of the L1 loss relative to the adversarial loss.",
        source="section 3, by way of pix2pix",
        ge=0,
    )
    learning_rate: float = setting(
        2e-4,
        help="Learning rate of Adam for generator and discriminator.",
        source=COURSE_SOURCE,
        gt=0,
    )
    beta1: float = setting(
        0.5, help="Beta1 of Adam (decay of the first moment).", source=COURSE_SOURCE, ge=0, lt=1
    )


class SynthesisSettings(TranslationSettings):
    """Settings of synthesis, from label maps to MRI."""

    stored_maps: int = setting(
        256,
        help="Number of training label maps stored for pairs and samples, one byte per voxel.",
        source="unstated; chosen",
        ge=1,
        le=4096,
    )
    tumour_classes: int = setting(
        3,
        help="Number of mask classes to alter in pairs, counted from the last, such as the "
        "tumour classes. All classes if there are fewer.",
        source="section 2.1: oedema, enhancing and non-enhancing tumour",
        ge=1,
    )
    alter_tumours: bool = setting(
        True,
        help="Shift, enlarge, shrink or transplant tumours in pairs and samples. Otherwise "
        "label maps are used unchanged.",
        source="section 3.1; figure 3, rows 3 to 6, or row 2 if disabled",
    )
    largest_shift: float = setting(
        10.0,
        help="Maximum tumour shift per axis, in voxels of a 128 px volume.",
        source="unstated; chosen",
        ge=0,
    )
    largest_scaling: float = setting(
        0.25,
        help="Maximum relative change of the tumour size.",
        source="unstated; chosen",
        ge=0,
        lt=1,
    )


class SegmentationSettings(TranslationSettings):
    """Settings of segmentation, from MRI to label maps."""

    learning_rate: float = setting(
        2e-4, help="Learning rate of Adam for the generator.", source=COURSE_SOURCE, gt=0
    )
    discriminator_learning_rate: float = setting(
        2e-4,
        help="Learning rate of Adam for the discriminator.",
        source=COURSE_SOURCE,
        gt=0,
    )
    augment: bool = setting(
        True,
        help="Randomly rotate, shift, crop and deform volumes together with their masks.",
        source="table 1, rows with aug",
    )
