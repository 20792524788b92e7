"""The retinal data sets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from benchbed import DatasetSpec, Layout, Paper, Part, Phantom, hookimpl

RENDER = "benchbed_retina.phantom:render"
FOV = "benchbed_retina.fov:detect"

DRIVE_LAYOUT = Layout(
    folders=("DRIVE",),
    parts=(
        Part(
            image="training/images/{id}_training.tif",
            mask="training/1st_manual/{id}_manual1.gif",
            fov="training/mask/{id}_training_mask.gif",
            split="train",
        ),
        Part(
            image="test/images/{id}_test.tif",
            mask="test/1st_manual/{id}_manual1.gif",
            second_mask="test/2nd_manual/{id}_manual2.gif",
            fov="test/mask/{id}_test_mask.gif",
            split="test",
        ),
    ),
    picture="""\
  DRIVE/training/images/21_training.tif      DRIVE/test/images/01_test.tif
  DRIVE/training/1st_manual/21_manual1.gif   DRIVE/test/1st_manual/01_manual1.gif
  DRIVE/training/mask/21_training_mask.gif   DRIVE/test/2nd_manual/01_manual2.gif
                                             DRIVE/test/mask/01_test_mask.gif""",
)

# No official split; the usual one takes the first 20 images (children 01 to 10) for training.
_CHASE_TRAIN = tuple(f"{child:02d}{eye}" for child in range(1, 11) for eye in "LR")
_CHASE_TEST = tuple(f"{child:02d}{eye}" for child in range(11, 15) for eye in "LR")

CHASEDB1_LAYOUT = Layout(
    folders=("CHASEDB1", "CHASE_DB1", "CHASE"),
    parts=(
        Part(
            image="Image_{id}.jpg",
            mask="Image_{id}_1stHO.png",
            second_mask="Image_{id}_2ndHO.png",
        ),
    ),
    patient=r"(\d+)[LR]",
    splits={"train": _CHASE_TRAIN, "test": _CHASE_TEST},
    picture="""\
  CHASEDB1/Image_01L.jpg  Image_01L_1stHO.png  Image_01L_2ndHO.png  ...  Image_14R_2ndHO.png""",
)

DR_LAYOUT = Layout(
    folders=("fundus-extra", "DR-image-dataset"),
    parts=(Part(image="**/{id}.jpg"),),
    patient=r"(Patient\d+)",
    picture="""\
  DR-image-dataset/DR and maculopathy 10 classes/1 - .../Patient001_L.jpg""",
)

ANY_LAYOUT = Layout(
    folders=("fundus",),
    parts=(Part(image="**/{id}.*"),),
    picture="""\
  fundus/ANY/FOLDER/NAME.jpg (or .png, .tif, ...): any further photographs of your own""",
)

_DRIVE_PAPER = Paper(
    key="staal2004-drive",
    authors="Staal, Abramoff, Niemeijer, Viergever, van Ginneken",
    year=2004,
    title="Ridge-based vessel segmentation in color images of the retina",
    venue="IEEE Transactions on Medical Imaging 23(4)",
)

_CHASE_PAPER = Paper(
    key="fraz2012-chasedb1",
    authors="Fraz et al.",
    year=2012,
    title="An ensemble classification-based approach applied to retinal blood vessel segmentation",
    venue="IEEE Transactions on Biomedical Engineering 59(9)",
)


def _within(layout: Layout, prefix: str) -> Layout:
    """The layout as part of a larger collection: ids say where a case is from, masks are left."""
    parts = (replace(p, prefix=prefix, mask=None, second_mask=None) for p in layout.parts)
    return replace(layout, parts=tuple(parts))


DRIVE = DatasetSpec(
    name="drive",
    title="DRIVE",
    modality="fundus photography",
    paper=_DRIVE_PAPER,
    licence="research use; registration at the source",
    access=(
        "register at drive.grand-challenge.org, unpack it as DRIVE/; the test annotations, where "
        "your copy lacks them, were part of earlier releases."
    ),
    layouts=(DRIVE_LAYOUT,),
    phantom=Phantom(render=RENDER, counts={"train": 20, "test": 20}, seed=2004),
    framing="fov",
    fov=FOV,
)

CHASEDB1 = DatasetSpec(
    name="chasedb1",
    title="CHASE_DB1",
    modality="fundus photography",
    paper=_CHASE_PAPER,
    licence="CC BY 4.0 at the research data repository of Kingston University",
    access="download CHASE_DB1 from Kingston University and unpack its files into CHASEDB1/.",
    layouts=(CHASEDB1_LAYOUT,),
    phantom=Phantom(render=RENDER, counts={"train": 20, "test": 8}, seed=2012),
    framing="fov",
    fov=FOV,
)

FUNDUS = DatasetSpec(
    name="fundus",
    title="Fundus photographs",
    modality="fundus photography",
    licence="that of each set",
    access=(
        "put any of DRIVE, CHASE_DB1, the DR-image-dataset, or a folder fundus/ of your own "
        "photographs into the data root; every one that is found is used."
    ),
    layouts=(
        _within(DRIVE_LAYOUT, "drive-"),
        _within(CHASEDB1_LAYOUT, "chasedb1-"),
        _within(DR_LAYOUT, "dr-"),
        _within(ANY_LAYOUT, "own-"),
    ),
    phantom=Phantom(render=RENDER, counts={"train": 400, "test": 100}, seed=1),
    framing="fov",
    fov=FOV,
)


@hookimpl
def benchbed_datasets() -> Iterable[DatasetSpec]:
    """The retinal data sets."""
    return [FUNDUS, DRIVE, CHASEDB1]
