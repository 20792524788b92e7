"""Dataset spec of the smooth-muscle cells."""

from __future__ import annotations

from collections.abc import Iterable

from benchbed import DatasetSpec, Layout, LayoutPart, Paper, Phantom, hookimpl

BU_BIL_LAYOUT = Layout(
    folders=("BU-BIL",),
    parts=(
        # Masks have the image's name, with a prefix in some sets of the library.
        LayoutPart(image="RawImages/{id}.png", mask="GoldStandard/*{id}.png"),
        # A sub-folder is a sequence of one cell, which must stay in one split.
        LayoutPart(image="RawImages/{patient}/{id}.png", mask="GoldStandard/{patient}/*{id}.png"),
    ),
    diagram="""\
  BU-BIL/RawImages/NAME.png      BU-BIL/RawImages/SEQUENCE/NAME.png
  BU-BIL/GoldStandard/NAME.png   BU-BIL/GoldStandard/SEQUENCE/NAME.png
  (a mask's name may have a prefix, as in seg_NAME.png; white is the cell)""",
)

BU_BIL = DatasetSpec(
    name="bu-bil",
    title="BU-BIL, rat smooth-muscle cells",
    modality="phase-contrast microscopy",
    paper=Paper(
        key="gurari2015-bu-bil",
        authors="Gurari, Theriault, Sameki, Isenberg, Pham, Purwada, Solski, Walker, Zhang, Wong, "
        "Betke",
        year=2015,
        title="How to collect segmentations for biomedical images? A benchmark evaluating the "
        "performance of experts, crowdsourced non-experts, and algorithms",
        venue="WACV",
    ),
    licence="as stated at the source",
    access_instructions=(
        "download the Boston University Biomedical Image Library. Put the folder (BU-BIL_Dataset1, "
        "BU-BIL_Dataset2, ...) whose RawImages number 35 into the data root under the name BU-BIL; "
        "its number is not known here. Masks must be white in the cell, which was not verified: "
        "invert them if they are black."
    ),
    layouts=(BU_BIL_LAYOUT,),
    phantom=Phantom(
        render="benchbed_cells.phantom:render", case_counts={"train": 400, "test": 100}, seed=2015
    ),
    channels=1,
    # Cells may touch the edges: a central crop would cut them, and microscope images have no
    # black borders.
    framing="stretch",
)


@hookimpl
def benchbed_datasets() -> Iterable[DatasetSpec]:
    """Return the dataset of smooth-muscle cells."""
    return [BU_BIL]
