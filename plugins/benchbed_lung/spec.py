"""Dataset specs of CT slices of the lungs."""

from __future__ import annotations

from collections.abc import Iterable

from benchbed import DatasetSpec, Layout, LayoutPart, Paper, Phantom, hookimpl

LUNG_CT_LAYOUT = Layout(
    folders=("finding-lungs-in-ct-data",),
    parts=(LayoutPart(image="2d_images/{id}.tif", mask="2d_masks/{id}.tif"),),
    patient_pattern=r"(ID_\d+)",
    diagram="""\
  finding-lungs-in-ct-data/2d_images/ID_0000_Z_0142.tif   (267 slices of 512 x 512)
  finding-lungs-in-ct-data/2d_masks/ID_0000_Z_0142.tif    (the 3-D part is not used)""",
)

LUNG_CT = DatasetSpec(
    name="lung-ct",
    title="Finding and Measuring Lungs in CT Data",
    modality="CT",
    licence="as stated at the source",
    access_instructions=(
        "download kmader/finding-lungs-in-ct-data from Kaggle and unpack it into a folder "
        "finding-lungs-in-ct-data/ of the data root."
    ),
    layouts=(LUNG_CT_LAYOUT,),
    phantom=Phantom(
        render="benchbed_lung.phantom:render", case_counts={"train": 400, "test": 100}, seed=2017
    ),
    channels=1,
    intensity_window=(-1000, 400),
)

_IQ_OTH = "The IQ-OTHNCCD lung cancer dataset"

IQ_OTH_LAYOUT = Layout(
    folders=(f"{_IQ_OTH}/{_IQ_OTH}", _IQ_OTH, f"lung-ct/{_IQ_OTH}", f"iq-oth/{_IQ_OTH}"),
    # Listed one by one: the archive may contain a folder of test cases without a class.
    parts=tuple(
        LayoutPart(image=f"{{label:{kind}}} cases/{{id}}.jpg")
        for kind in ("Normal", "Bengin", "Malignant")
    ),
    diagram=f"""\
  {_IQ_OTH}/Normal cases/Normal case (1).jpg
  {_IQ_OTH}/Bengin cases/Bengin case (1).jpg   (spelt so)
  {_IQ_OTH}/Malignant cases/Malignant case (1).jpg""",
)

IQ_OTH = DatasetSpec(
    name="iq-oth",
    title="IQ-OTH/NCCD lung cancer",
    modality="CT",
    paper=Paper(
        key="alyasriy2020-iq-oth",
        authors="Alyasriy, Al-Huseiny",
        year=2020,
        title="The IQ-OTH/NCCD lung cancer dataset",
        venue="Mendeley Data, bhmdr45bh2",
    ),
    licence="CC BY 4.0",
    access_instructions=(
        "download hamdallak/the-iqothnccd-lung-cancer-dataset from Kaggle, or bhmdr45bh2 from "
        "Mendeley Data, and unpack it into the data root. Its 1,190 slices are of 110 people, who "
        "are not identified: the split is by file, so test slices may have neighbours in training."
    ),
    layouts=(IQ_OTH_LAYOUT,),
    phantom=Phantom(
        render="benchbed_lung.phantom:render_nodules",
        case_counts={"train": 400, "test": 100},
        seed=2019,
    ),
    channels=1,
    # Names of the folders, one of them misspelt in the dataset.
    classes=("Normal", "Bengin", "Malignant"),
    # A few images are wider than high, with the body from edge to edge. Black padding looks like
    # air; a central crop would cut ribs and lungs.
    framing="pad",
)


@hookimpl
def benchbed_datasets() -> Iterable[DatasetSpec]:
    """Return the lung datasets."""
    return [LUNG_CT, IQ_OTH]
