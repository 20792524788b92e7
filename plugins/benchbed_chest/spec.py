"""The chest radiographs."""

from __future__ import annotations

from collections.abc import Iterable

from benchbed import DatasetSpec, DownloadSource, Layout, LayoutPart, Paper, Phantom, hookimpl

LAYOUT = Layout(
    # The official archive holds the tree twice, in chest_xray and again in a chest_xray inside it.
    # The inner one comes first, so that either is found, and never both.
    folders=(
        "chest_xray/chest_xray",
        "chest_xray",
        "chest-xray/chest_xray/chest_xray",
        "chest-xray/chest_xray",
        "chest-xray-pneumonia/chest_xray/chest_xray",
        "chest-xray-pneumonia/chest_xray",
    ),
    parts=(LayoutPart(image="{split}/{label}/{id}.jpeg"),),
    # Bacterial and viral cases are numbered apart: person101_virus_187 is in the training part and
    # person101_bacteria_483, another child, in the test part.
    patient_pattern=r"(person\d+_(?:bacteria|virus)|(?:NORMAL2-)?IM-\d+)",
    diagram="""\
  chest_xray/train/NORMAL/IM-0115-0001.jpeg   chest_xray/train/PNEUMONIA/person1_bacteria_1.jpeg
  chest_xray/val/NORMAL/...                   chest_xray/val/PNEUMONIA/...
  chest_xray/test/NORMAL/...                  chest_xray/test/PNEUMONIA/...""",
)

CHEST_XRAY = DatasetSpec(
    name="chest-xray",
    title="Chest X-Ray Images (Pneumonia)",
    modality="chest radiography",
    paper=Paper(
        key="kermany2018-chest-xray",
        authors="Kermany, Goldbaum, Cai, et al.",
        year=2018,
        title="Identifying medical diagnoses and treatable diseases by image-based deep learning",
        venue="Cell 172(5)",
    ),
    licence="CC BY 4.0",
    access_instructions=(
        "download paultimothymooney/chest-xray-pneumonia from Kaggle, or rscbjbr9sj from Mendeley "
        "Data (ChestXRay2017.zip, version 2), and unpack it into the data root. The copy there has "
        "no val folder; the 16 pictures are in train."
    ),
    layouts=(LAYOUT,),
    downloads=(
        DownloadSource(
            url="https://data.mendeley.com/public-files/datasets/rscbjbr9sj/files/"
            "f12eaf6d-6023-432f-acc9-80c9d7393433/file_downloaded",
            target_folder="chest_xray",
        ),
    ),
    phantom=Phantom(
        render="benchbed_chest.phantom:render",
        case_counts={"train": 400, "val": 16, "test": 100},
        seed=2018,
    ),
    channels=1,
    classes=("NORMAL", "PNEUMONIA"),
    # Width over height runs from 0.8 to 2.5 and is larger in pneumonia (median 1.5, against 1.2).
    # The central square would cut the outer lung off the wide pictures, and black bars would tell
    # the class; the whole picture, stretched, is also what users of this set feed to networks.
    framing="stretch",
)


@hookimpl
def benchbed_datasets() -> Iterable[DatasetSpec]:
    """The data set."""
    return [CHEST_XRAY]
