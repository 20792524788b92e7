"""Dataset specs of brain volumes: tumours, tissues and the hippocampus."""

from __future__ import annotations

from benchbed import DatasetSpec, Layout, LayoutPart, Paper, Phantom, VolumeSpec

SEQUENCES = ("T1", "T1c", "T2", "FLAIR")
TUMOUR = ("necrotic and non-enhancing core", "oedema", "enhancing tumour")
TISSUES = ("cerebrospinal fluid", "grey matter", "white matter")

SHIN_DEPTH = 54 / 128
"""Shin et al. 2018, section 4.1: 128 x 128 x 54 voxels."""

SHIN_SLICES = 108
"""Ibid.: the central 108 axial slices."""

_NIFTI = "**/{patient}/{id}"

_SLICE = "training/{id}/{patient}"

# One folder per case; file names of the challenges from 2017 to 2021.
_LAYOUT_2017_TO_2021 = LayoutPart(
    image=f"{_NIFTI}_flair.nii*",
    sequences=tuple(f"{_NIFTI}_{name}.nii*" for name in ("t1", "t1ce", "t2", "flair")),
    # Not by {id}: one mask of 2020, of BraTS20_Training_355, is called W39_1998.09.19_Segm.nii.
    mask="**/{patient}/*_seg*.nii*",
    label_mapping={1: 1, 2: 2, 4: 3},
)

# The challenge of 2023: patient and time point in the name, and 3 for the enhancing tumour.
_LAYOUT_2023 = LayoutPart(
    image="**/{patient:BraTS-*-?????}-*/{id}-t2f.nii*",
    sequences=tuple(
        f"**/{{patient:BraTS-*-?????}}-*/{{id}}-{name}.nii*"
        for name in ("t1n", "t1c", "t2w", "t2f")
    ),
    mask="**/{patient:BraTS-*-?????}-*/{id}-seg.nii*",
    label_mapping={1: 1, 2: 2, 3: 3},
)

# The challenge of 2015 in NIfTI, with the codes of 2013: 1 necrosis and 3 non-enhancing tumour,
# which are one structure since 2017.
_LAYOUT_2015 = LayoutPart(
    image=f"{_NIFTI}_flair.nii*",
    sequences=_LAYOUT_2017_TO_2021.sequences,
    mask=f"{_NIFTI}_seg.nii*",
    label_mapping={1: 1, 2: 2, 3: 1, 4: 3},
)

BRATS = DatasetSpec(
    name="brats",
    title="BraTS, Multimodal Brain Tumor Segmentation",
    modality="magnetic resonance imaging of the brain",
    paper=Paper(
        key="menze2015-brats",
        authors="Menze et al.",
        year=2015,
        title="The multimodal brain tumor image segmentation benchmark (BRATS)",
        venue="IEEE Transactions on Medical Imaging 34(10)",
        url="https://doi.org/10.1109/TMI.2014.2377694",
    ),
    licence="the challenge's terms; CC BY-SA 4.0 for the copy in the Decathlon",
    access_instructions=(
        "register for a BraTS challenge at synapse.org and unpack its training set as brats/; or "
        "download Task01_BrainTumour from medicaldecathlon.com and unpack it unchanged."
    ),
    layouts=(
        Layout(
            folders=(
                "brats",
                "MICCAI_BraTS_2018_Data_Training",
                "MICCAI_BraTS_2019_Data_Training",
                "BraTS2020_TrainingData",
                "MICCAI_BraTS2020_TrainingData",
                "BraTS2021_Training_Data",
                "ASNR-MICCAI-BraTS2023-GLI-Challenge-TrainingData",
            ),
            parts=(_LAYOUT_2017_TO_2021, _LAYOUT_2023),
            diagram="""\
  brats/CASE/CASE_t1.nii.gz    also _t1ce, _t2, _flair and _seg; HGG/ and LGG/ may be in between
  brats/CASE/CASE-t1n.nii.gz   also -t1c, -t2w, -t2f and -seg; CASE as in BraTS-GLI-00000-000""",
        ),
        Layout(
            folders=("brats2015", "BRATS2015_Training"),
            parts=(_LAYOUT_2015,),
            diagram="""\
  brats2015/CASE/CASE_t1.nii.gz   also _t1ce, _t2, _flair and _seg (labels 1 to 4); from .mha by
                                  SimpleITK.WriteImage(SimpleITK.ReadImage("a.mha"), "a.nii.gz")""",
        ),
        Layout(
            folders=("Task01_BrainTumour", "msd-brats/Task01_BrainTumour"),
            parts=(
                LayoutPart(
                    image="imagesTr/{id}.nii*",
                    mask="labelsTr/{id}.nii*",
                    # The order in the file is FLAIR, T1, T1c, T2.
                    channel_indices=(1, 2, 3, 0),
                    label_mapping={1: 2, 2: 1, 3: 3},
                ),
            ),
            diagram="""\
  Task01_BrainTumour/imagesTr/BRATS_001.nii.gz   labelsTr/BRATS_001.nii.gz""",
        ),
        Layout(
            folders=("brats-slices2d",),
            parts=(
                LayoutPart(
                    image=f"{_SLICE}_flair_*.nii*",
                    sequences=tuple(
                        f"{_SLICE}_{name}_*.nii*" for name in ("t1", "t1ce", "t2", "flair")
                    ),
                    mask=f"{_SLICE}_seg_*.nii*",
                    label_mapping=_LAYOUT_2017_TO_2021.label_mapping,
                    id_prefix="slice-",
                ),
            ),
            diagram="""\
  brats-slices2d/training/NUMBER/CASE_t1_083_w.nii.gz   also _t1ce, _t2, _flair and _seg; each
                                                        folder is one axial slice, of two axes""",
        ),
    ),
    phantom=Phantom(
        render="benchbed_brain.volume_phantom:render_tumour",
        case_counts={"train": 80, "test": 20},
        seed=2015,
    ),
    channels=4,
    volumes=VolumeSpec(
        sequences=SEQUENCES,
        structures=TUMOUR,
        slices_per_pixel=SHIN_DEPTH,
        central_slices=SHIN_SLICES,
    ),
)

ADNI = DatasetSpec(
    name="adni",
    title="ADNI, Alzheimer's Disease Neuroimaging Initiative",
    modality="magnetic resonance imaging of the brain",
    paper=Paper(
        key="jack2008-adni",
        authors="Jack et al.",
        year=2008,
        title="The Alzheimer's Disease Neuroimaging Initiative (ADNI): MRI methods",
        venue="Journal of Magnetic Resonance Imaging 27(4)",
        url="https://doi.org/10.1002/jmri.21049",
    ),
    licence="ADNI's data use agreement",
    access_instructions=(
        "apply at adni.loni.usc.edu, download T1 volumes, strip the skulls, label the tissues "
        "(SPM, FAST: 1 fluid, 2 grey, 3 white) and export both as NIfTI into adni/."
    ),
    layouts=(
        Layout(
            folders=("adni",),
            parts=(
                LayoutPart(
                    image=f"{_NIFTI}_t1.nii*",
                    mask=f"{_NIFTI}_tissue.nii*",
                    label_mapping={1: 1, 2: 2, 3: 3},
                ),
            ),
            diagram="""\
  adni/SUBJECT/SCAN_t1.nii.gz   adni/SUBJECT/SCAN_tissue.nii.gz   (1 fluid, 2 grey, 3 white)""",
        ),
    ),
    phantom=Phantom(
        render="benchbed_brain.volume_phantom:render_tissue",
        case_counts={"train": 80, "test": 20},
        seed=2008,
    ),
    channels=1,
    volumes=VolumeSpec(
        sequences=("T1",),
        structures=TISSUES,
        slices_per_pixel=SHIN_DEPTH,
        central_slices=SHIN_SLICES,
    ),
)

HIPPOCAMPUS = DatasetSpec(
    name="hippocampus",
    title="Medical Segmentation Decathlon, Hippocampus",
    modality="magnetic resonance imaging of the hippocampus",
    paper=Paper(
        key="antonelli2022-decathlon",
        authors="Antonelli et al.",
        year=2022,
        title="The Medical Segmentation Decathlon",
        venue="Nature Communications 13:4128",
        url="https://doi.org/10.1038/s41467-022-30695-9",
    ),
    licence="CC BY-SA 4.0",
    access_instructions=(
        "download Task04_Hippocampus from medicaldecathlon.com and unpack it unchanged."
    ),
    layouts=(
        Layout(
            folders=("Task04_Hippocampus", "hippocampus/Task04_Hippocampus"),
            parts=(
                LayoutPart(
                    image="imagesTr/{id}.nii*",
                    mask="labelsTr/{id}.nii*",
                    label_mapping={1: 1, 2: 2},
                ),
            ),
            diagram="""\
  Task04_Hippocampus/imagesTr/hippocampus_001.nii.gz   labelsTr/hippocampus_001.nii.gz""",
        ),
    ),
    phantom=Phantom(
        render="benchbed_brain.hippocampus_phantom:render",
        case_counts={"train": 160, "test": 40},
        seed=2022,
    ),
    channels=1,
    volumes=VolumeSpec(sequences=("T1",), structures=("anterior", "posterior"), framing="cube"),
)
