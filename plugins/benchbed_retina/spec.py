"""Dataset specs of retinal photographs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from benchbed import DatasetSpec, DownloadSource, Layout, Paper, Phantom, hookimpl
from benchbed_retina.layouts import (
    ANY_LAYOUT,
    CHASEDB1_LAYOUT,
    DR_LAYOUT,
    DRIVE_LAYOUT,
    HRF_LAYOUT,
    MESSIDOR_LAYOUT,
    STARE_LAYOUT,
)

RENDER = "benchbed_retina.phantom:render"
RENDER_ANNOTATED = "benchbed_retina.phantom:render_annotated"
RENDER_UNMASKED = "benchbed_retina.phantom:render_unmasked"
FOV_DETECTOR = "benchbed_retina.fov:detect_fov"

_STARE = "http://cecas.clemson.edu/~ahoover/stare/probing"

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

_STARE_PAPER = Paper(
    key="hoover2000-stare",
    authors="Hoover, Kouznetsova, Goldbaum",
    year=2000,
    title="Locating blood vessels in retinal images by piecewise threshold probing of a matched "
    "filter response",
    venue="IEEE Transactions on Medical Imaging 19(3)",
)

_HRF_PAPER = Paper(
    key="budai2013-hrf",
    authors="Budai, Bock, Maier, Hornegger, Michelson",
    year=2013,
    title="Robust vessel segmentation in fundus images",
    venue="International Journal of Biomedical Imaging 2013",
)

_MESSIDOR_PAPER = Paper(
    key="decenciere2014-messidor",
    authors="Decencière et al.",
    year=2014,
    title="Feedback on a publicly distributed image database: the Messidor database",
    venue="Image Analysis & Stereology 33(3)",
)


def _derive_layout(layout: Layout, prefix: str) -> Layout:
    """Derive a layout for a larger collection: prefixed ids, no masks."""
    parts = (replace(p, id_prefix=prefix, mask=None, second_mask=None) for p in layout.parts)
    return replace(layout, parts=tuple(parts))


DRIVE = DatasetSpec(
    name="drive",
    title="DRIVE",
    modality="fundus photography",
    paper=_DRIVE_PAPER,
    licence="research use; registration at the source",
    access_instructions=(
        "register at drive.grand-challenge.org and unpack it as DRIVE/. If your copy has no test "
        "annotations: earlier releases contain them."
    ),
    layouts=(DRIVE_LAYOUT,),
    phantom=Phantom(render=RENDER_ANNOTATED, case_counts={"train": 20, "test": 20}, seed=2004),
    framing="fov",
    fov_detector=FOV_DETECTOR,
)

CHASEDB1 = DatasetSpec(
    name="chasedb1",
    title="CHASE_DB1",
    modality="fundus photography",
    paper=_CHASE_PAPER,
    licence="CC BY 4.0 at the research data repository of Kingston University",
    access_instructions=(
        "download CHASE_DB1 from Kingston University and unpack its files into CHASEDB1/."
    ),
    layouts=(CHASEDB1_LAYOUT,),
    phantom=Phantom(render=RENDER_ANNOTATED, case_counts={"train": 20, "test": 8}, seed=2012),
    framing="fov",
    fov_detector=FOV_DETECTOR,
)

STARE = DatasetSpec(
    name="stare",
    title="STARE",
    modality="fundus photography",
    paper=_STARE_PAPER,
    licence="not stated; offered for research",
    access_instructions=(
        "download stare-images.tar, labels-ah.tar and labels-vk.tar from the STARE project "
        "(cecas.clemson.edu/~ahoover/stare) and unpack them into STARE/."
    ),
    layouts=(STARE_LAYOUT,),
    # Plain http, because the server's certificate is not accepted everywhere. The hashes, recorded
    # independently by several users of the dataset, verify the files.
    downloads=(
        DownloadSource(
            url=f"{_STARE}/stare-images.tar",
            target_folder="STARE/stare-images",
            sha256="5f7b509b6067cad4f1be84933145d783de9ec087b3eaaf4db0103dd0144dd433",
        ),
        DownloadSource(
            url=f"{_STARE}/labels-ah.tar",
            target_folder="STARE/labels-ah",
            sha256="ebf2f1e17ca955f24579d9edd990e2dae79a5c82def69f0985d8e24f826ddd2f",
        ),
        DownloadSource(
            url=f"{_STARE}/labels-vk.tar",
            target_folder="STARE/labels-vk",
            sha256="47474a701536b0cfdb369fdce012be36141e9f44d80387f0179446b5cb0f5576",
        ),
    ),
    phantom=Phantom(render=RENDER_ANNOTATED, case_counts={"train": 10, "test": 10}, seed=2000),
    framing="fov",
    fov_detector=FOV_DETECTOR,
)

HRF = DatasetSpec(
    name="hrf",
    title="HRF",
    modality="fundus photography",
    paper=_HRF_PAPER,
    licence="CC BY 4.0",
    access_instructions=(
        "download all.zip of the High-Resolution Fundus image database from the University of "
        "Erlangen-Nuremberg and unpack it as HRF/."
    ),
    layouts=(HRF_LAYOUT,),
    downloads=(
        DownloadSource(
            url="https://www5.cs.fau.de/fileadmin/research/datasets/fundus-images/all.zip",
            target_folder="HRF",
            sha256="a914d02cda161b7f33f25d0397c276d50e9a6cbc705e9b364a54f0adafed57e4",
        ),
    ),
    phantom=Phantom(render=RENDER, case_counts={"train": 15, "test": 30}, seed=2013),
    framing="fov",
    fov_detector=FOV_DETECTOR,
)

MESSIDOR = DatasetSpec(
    name="messidor",
    title="MESSIDOR",
    modality="fundus photography",
    paper=_MESSIDOR_PAPER,
    licence="research and education; agreed to at the source",
    access_instructions=(
        "request it at adcis.net (Messidor) and unpack its twelve zip files into MESSIDOR/; the "
        "annotation tables are not needed."
    ),
    layouts=(MESSIDOR_LAYOUT,),
    phantom=Phantom(render=RENDER_UNMASKED, case_counts={"train": 400, "test": 100}, seed=2014),
    framing="fov",
    fov_detector=FOV_DETECTOR,
)

FUNDUS = DatasetSpec(
    name="fundus",
    title="Fundus photographs",
    modality="fundus photography",
    licence="that of each dataset",
    access_instructions=(
        "put any of DRIVE, CHASE_DB1, STARE, HRF, MESSIDOR, the DR-image-dataset, or a folder "
        "fundus/ of your own photographs into the data root; all that are found are used. "
        "`benchbed data fetch stare` and `benchbed data fetch hrf` download two of them."
    ),
    layouts=(
        _derive_layout(DRIVE_LAYOUT, "drive-"),
        _derive_layout(CHASEDB1_LAYOUT, "chasedb1-"),
        _derive_layout(STARE_LAYOUT, "stare-"),
        _derive_layout(HRF_LAYOUT, "hrf-"),
        _derive_layout(MESSIDOR_LAYOUT, "messidor-"),
        _derive_layout(DR_LAYOUT, "dr-"),
        _derive_layout(ANY_LAYOUT, "own-"),
    ),
    phantom=Phantom(render=RENDER, case_counts={"train": 400, "test": 100}, seed=1),
    framing="fov",
    fov_detector=FOV_DETECTOR,
)


@hookimpl
def benchbed_datasets() -> Iterable[DatasetSpec]:
    """Return the retinal datasets."""
    return [FUNDUS, DRIVE, CHASEDB1, STARE, HRF, MESSIDOR]
