"""Magnetic resonance images of the brain."""

from __future__ import annotations

from collections.abc import Iterable

from benchbed import DatasetSpec, Layout, LayoutPart, Paper, Phantom, hookimpl
from benchbed_brain.volume_spec import ADNI, BRATS, HIPPOCAMPUS

# The zip file holds the two folders twice, once more in brain_tumor_dataset/; the pattern reaches
# the outer ones alone. Whom a picture shows is not told, so each counts as a patient; two files
# share a name but for the suffix, and are kept together.
BRAIN_MRI = DatasetSpec(
    name="brain-mri",
    title="Brain MRI Images for Brain Tumor Detection",
    modality="magnetic resonance imaging of the brain",
    paper=Paper(
        key="chakrabarty2019-brain-mri",
        authors="Chakrabarty",
        year=2019,
        title="Brain MRI images for brain tumor detection",
        venue="Kaggle",
        url="https://www.kaggle.com/datasets/navoneel/brain-mri-images-for-brain-tumor-detection",
    ),
    licence="not stated; pictures gathered from the web",
    access_instructions=(
        "download navoneel/brain-mri-images-for-brain-tumor-detection from Kaggle and unpack it "
        "as brain-mri/."
    ),
    layouts=(
        Layout(
            folders=("brain-mri", "brain_tumor_dataset"),
            parts=(LayoutPart(image="{label}/{id}.*"),),
            patient_pattern=r"([^/.]+)[^/]*$",
            diagram="""\
  brain-mri/yes/Y1.jpg   brain-mri/no/1 no.jpeg   (or brain_tumor_dataset/ in its place)""",
        ),
    ),
    phantom=Phantom(
        render="benchbed_brain.phantom:render", case_counts={"train": 400, "test": 100}, seed=2019
    ),
    channels=1,
    classes=("no", "yes"),
    # Most pictures are cropped to the head, which is longer than wide: the central square would
    # cut forehead and occiput, and tumours in them. The background is black already.
    framing="pad",
)


@hookimpl
def benchbed_datasets() -> Iterable[DatasetSpec]:
    """The brain's data sets."""
    return [BRAIN_MRI, BRATS, ADNI, HIPPOCAMPUS]
