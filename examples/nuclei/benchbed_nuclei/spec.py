"""Spec of the dataset nuclei; imports nothing heavy."""

from collections.abc import Iterable

from benchbed import DatasetSpec, Layout, LayoutPart, Phantom, hookimpl

SPEC = DatasetSpec(
    name="nuclei",
    title="Nuclei of the tutorial",
    modality="fluorescence microscopy",
    licence="CC0",
    access_instructions="run the first block of the tutorial.",
    layouts=(
        Layout(
            folders=("nuclei",),
            parts=(
                LayoutPart(image="day1/images/{id}.png", mask="day1/masks/{id}.png", split="train"),
                LayoutPart(image="day2/images/{id}.png", mask="day2/masks/{id}.png", split="test"),
            ),
            patient_pattern=r"([^_]+)",  # p01_left and p01_right are of one patient
            diagram="  nuclei/day1/images/p01_left.png   nuclei/day1/masks/p01_left.png   (train)\n"
            "  nuclei/day2/images/p05_left.png   nuclei/day2/masks/p05_left.png   (test)",
        ),
    ),
    phantom=Phantom(render="benchbed_nuclei.phantom:render", case_counts={"train": 80, "test": 20}),
    channels=1,
)


@hookimpl
def benchbed_datasets() -> Iterable[DatasetSpec]:
    """Return the dataset."""
    return [SPEC]
