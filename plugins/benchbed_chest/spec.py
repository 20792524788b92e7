"""Dataset specs of the chest radiographs."""

from __future__ import annotations

from collections.abc import Iterable

from benchbed import DatasetSpec, DownloadSource, Layout, LayoutPart, Paper, Phantom, hookimpl

LAYOUT = Layout(
    # The official archive contains the tree twice: chest_xray and a copy inside it. The inner one
    # comes first, so that only one of them is read.
    folders=(
        "chest_xray/chest_xray",
        "chest_xray",
        "chest-xray/chest_xray/chest_xray",
        "chest-xray/chest_xray",
        "chest-xray-pneumonia/chest_xray/chest_xray",
        "chest-xray-pneumonia/chest_xray",
    ),
    parts=(LayoutPart(image="{split}/{label}/{id}.jpeg"),),
    # Bacterial and viral cases are numbered separately: person101_virus_187 (train) and
    # person101_bacteria_483 (test) are different children.
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
        "Data (ChestXRay2017.zip, version 2), and unpack it into the data root. The Mendeley copy "
        "has no val folder; its 16 images are in train."
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
    # The aspect ratio ranges from 0.8 to 2.5 and is larger in pneumonia (median 1.5, against 1.2).
    # A central crop would cut the outer lung off wide images, and black bars would reveal the
    # class. Stretching is also what users of this dataset do.
    framing="stretch",
)

CHEST_MINI = DatasetSpec(
    name="chest-mini",
    title="Chest X-Ray Images (Pneumonia), 310 images of 128 px",
    modality=CHEST_XRAY.modality,
    paper=CHEST_XRAY.paper,
    licence="CC BY 4.0",
    access_instructions="installed with benchbed.",
    package="benchbed_chest",
    notes=(
        "One image per patient, half of them with pneumonia, drawn from the official training "
        "folder and divided anew, so results do not compare with those on the official test "
        "folder. Stretched to 128 x 128 px, grey."
    ),
    layouts=(
        Layout(
            folders=("chest_mini",),
            parts=(LayoutPart(image="{split}/{label}/{id}.png"),),
            patient_pattern=LAYOUT.patient_pattern,
            diagram="  chest_mini/train|val|test/NORMAL|PNEUMONIA/*.png",
        ),
    ),
    channels=1,
    classes=CHEST_XRAY.classes,
    framing="stretch",
)


@hookimpl
def benchbed_datasets() -> Iterable[DatasetSpec]:
    """Return the datasets of chest radiographs."""
    return [CHEST_XRAY, CHEST_MINI]
