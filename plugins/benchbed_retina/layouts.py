"""Official layouts and splits of retinal datasets."""

from __future__ import annotations

from benchbed import Layout, LayoutPart

DRIVE_LAYOUT = Layout(
    folders=("DRIVE",),
    parts=(
        LayoutPart(
            image="training/images/{id}_training.tif",
            mask="training/1st_manual/{id}_manual1.gif",
            fov="training/mask/{id}_training_mask.gif",
            split="train",
        ),
        LayoutPart(
            image="test/images/{id}_test.tif",
            mask="test/1st_manual/{id}_manual1.gif",
            second_mask="test/2nd_manual/{id}_manual2.gif",
            fov="test/mask/{id}_test_mask.gif",
            split="test",
        ),
    ),
    diagram="""\
  DRIVE/training/images/21_training.tif      DRIVE/test/images/01_test.tif
  DRIVE/training/1st_manual/21_manual1.gif   DRIVE/test/1st_manual/01_manual1.gif
  DRIVE/training/mask/21_training_mask.gif   DRIVE/test/2nd_manual/01_manual2.gif
                                             DRIVE/test/mask/01_test_mask.gif""",
)

# No official split; the usual one trains on the first 20 images (children 01 to 10).
_CHASE_TRAIN = tuple(f"{child:02d}{eye}" for child in range(1, 11) for eye in "LR")
_CHASE_TEST = tuple(f"{child:02d}{eye}" for child in range(11, 15) for eye in "LR")

CHASEDB1_LAYOUT = Layout(
    folders=("CHASEDB1", "CHASE_DB1", "CHASE"),
    parts=(
        LayoutPart(
            image="Image_{id}.jpg",
            mask="Image_{id}_1stHO.png",
            second_mask="Image_{id}_2ndHO.png",
        ),
    ),
    patient_pattern=r"(\d+)[LR]",
    official_splits={"train": _CHASE_TRAIN, "test": _CHASE_TEST},
    diagram="""\
  CHASEDB1/Image_01L.jpg  Image_01L_1stHO.png  Image_01L_2ndHO.png  ...  Image_14R_2ndHO.png""",
)

# The 20 labelled images. There is no official split: papers use leave-one-out, or train on the
# first ten and test on the last ten. The latter is used here: it is fixed and needs one training
# instead of twenty. Patients are unknown.
_STARE_TRAIN = tuple(f"im{n:04d}" for n in (1, 2, 3, 4, 5, 44, 77, 81, 82, 139))
_STARE_TEST = tuple(f"im{n:04d}" for n in (162, 163, 235, 236, 239, 240, 255, 291, 319, 324))

STARE_LAYOUT = Layout(
    folders=("STARE",),
    parts=(
        LayoutPart(
            image="**/{id:im????}.ppm*",
            mask="**/{id}.ah.ppm*",
            second_mask="**/{id}.vk.ppm*",
        ),
    ),
    official_splits={"train": _STARE_TRAIN, "test": _STARE_TEST},
    diagram="""\
  STARE/stare-images/im0001.ppm.gz   STARE/labels-ah/im0001.ah.ppm.gz   (Hoover)
                                     STARE/labels-vk/im0001.vk.ppm.gz   (Kouznetsova)
  unpacked (im0001.ppm) or not, in these folders or together in STARE/""",
)

# No official split; the usual one trains on the first five of each kind (Orlando et al. 2017).
# One image each of fifteen healthy persons, fifteen with retinopathy and fifteen with glaucoma.
_HRF_KINDS = ("dr", "g", "h")
_HRF_TRAIN = tuple(f"{n:02d}_{kind}" for n in range(1, 6) for kind in _HRF_KINDS)
_HRF_TEST = tuple(f"{n:02d}_{kind}" for n in range(6, 16) for kind in _HRF_KINDS)

HRF_LAYOUT = Layout(
    folders=("HRF",),
    parts=(LayoutPart(image="images/{id}.*", mask="manual1/{id}.tif", fov="mask/{id}_mask.tif"),),
    official_splits={"train": _HRF_TRAIN, "test": _HRF_TEST},
    diagram="""\
  HRF/images/01_dr.JPG   HRF/images/01_g.jpg   HRF/images/01_h.jpg   ...   15_h.jpg
  HRF/manual1/01_dr.tif  HRF/mask/01_dr_mask.tif""",
)

# Patients are unknown, so each image counts as one.
MESSIDOR_LAYOUT = Layout(
    folders=("MESSIDOR",),
    parts=(LayoutPart(image="**/{id}.tif*"),),
    diagram="""\
  MESSIDOR/Base11/20051019_38557_0100_PP.tif   ...   Base14, Base21 to 24, Base31 to 34
  100 images in each, one zip file per folder; other folders, or none, are read too""",
)

DR_LAYOUT = Layout(
    folders=("fundus-extra", "DR-image-dataset"),
    parts=(LayoutPart(image="**/{id}.jpg"),),
    patient_pattern=r"(Patient\d+)",
    diagram="""\
  DR-image-dataset/DR and maculopathy 10 classes/1 - .../Patient001_L.jpg""",
)

ANY_LAYOUT = Layout(
    folders=("fundus",),
    parts=(LayoutPart(image="**/{id}.*"),),
    diagram="""\
  fundus/ANY/FOLDER/NAME.jpg (or .png, .tif, ...): any further photographs of your own""",
)
