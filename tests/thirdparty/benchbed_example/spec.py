"""Specs of the example plugin."""

from collections.abc import Iterable

from benchbed import (
    DatasetSpec,
    Layout,
    LayoutPart,
    MethodSpec,
    MetricSpec,
    Paper,
    Phantom,
    TaskSpec,
    hookimpl,
)

LSGAN = MethodSpec(
    name="tiny-lsgan",
    title="Tiny LSGAN",
    paper=Paper(
        key="mao2017-lsgan",
        authors="Mao, Li, Xie, Lau, Wang, Smolley",
        year=2017,
        title="Least squares generative adversarial networks",
        venue="ICCV",
    ),
    implementation="benchbed_example.lsgan:LSGAN",
    settings="benchbed_example.settings:LSGANSettings",
    sizes=(16, 32),
    takes_augmentation=True,
    presets={"quick": {"batch_size": 8}},
)

DISCS = DatasetSpec(
    name="discs",
    title="Discs",
    modality="drawings",
    licence="public domain",
    access_instructions="draw them yourself.",
    layouts=(
        Layout(
            folders=("discs",),
            parts=(LayoutPart(image="images/{id}.png", mask="masks/{id}.png"),),
            diagram="  discs/images/NAME.png  discs/masks/NAME.png",
        ),
    ),
    phantom=Phantom(render="benchbed_example.discs:render", case_counts={"train": 24, "test": 8}),
    channels=1,
)

BRIGHTNESS = MetricSpec(
    name="brightness-gap",
    title="Brightness",
    direction="down",
    implementation="benchbed_example.glance:brightness_gap",
    recipe="absolute difference of the mean pixel values, in grey levels",
    bounds=(0.0, 255.0),
)

GLANCE = TaskSpec(
    name="glance",
    title="Is the first sample as bright as the real images?",
    implementation="benchbed_example.glance:Glance",
    capabilities=frozenset({"sample"}),
    metrics=("brightness-gap",),
)


@hookimpl
def benchbed_methods() -> Iterable[MethodSpec]:
    return [LSGAN]


@hookimpl
def benchbed_datasets() -> Iterable[DatasetSpec]:
    return [DISCS]


@hookimpl
def benchbed_metrics() -> Iterable[MetricSpec]:
    return [BRIGHTNESS]


@hookimpl
def benchbed_tasks() -> Iterable[TaskSpec]:
    return [GLANCE]
