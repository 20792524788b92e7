"""Dataset specs of magnetic resonance images of the brain."""

from __future__ import annotations

from collections.abc import Iterable

from benchbed import DatasetSpec, Layout, LayoutPart, Paper, Phantom, hookimpl
from benchbed_brain.volume_spec import ADNI, BRATS, HIPPOCAMPUS

# The zip file contains both folders again in brain_tumor_dataset/; the pattern matches only the
# outer ones. Patients are unknown, so each image counts as one, except that two files with the
# same stem stay together.
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
    licence="not stated; images collected from the web",
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
  brain-mri/yes/Y1.jpg   brain-mri/no/1 no.jpeg   (or brain_tumor_dataset/ instead)""",
        ),
    ),
    phantom=Phantom(
        render="benchbed_brain.phantom:render", case_counts={"train": 400, "test": 100}, seed=2019
    ),
    channels=1,
    classes=("no", "yes"),
    # Most images are cropped to the head, which is longer than wide: a central crop would cut
    # forehead, occiput and tumours. The background is black already.
    framing="pad",
)


@hookimpl
def benchbed_datasets() -> Iterable[DatasetSpec]:
    """Return the datasets of the brain."""
    return [BRAIN_MRI, BRATS, ADNI, HIPPOCAMPUS]
