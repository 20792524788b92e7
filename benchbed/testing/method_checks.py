"""Checks of a method's interface: spec, settings, networks, outputs, samples."""

from __future__ import annotations

import math
from typing import Any

import torch

from benchbed.api.method import Method
from benchbed.api.specs import PRESETS
from benchbed.registry.lookup import get_registry, load_object
from benchbed.runs.plan import resolve_method_settings
from benchbed.testing.check import CheckFailed, CheckSkipped, check_torch_free_import
from benchbed.testing.subject import MethodUnderTest, record_seed_calls
from benchbed.training.sampling import draw_samples, preserve_training_state


def check_spec_imports(subject: MethodUnderTest) -> None:
    """The modules of spec and settings do not import torch."""
    check_torch_free_import(get_registry().find_plugin(subject.spec).module)
    check_torch_free_import(subject.spec.settings.partition(":")[0])


def check_spec_fields(subject: MethodUnderTest) -> None:
    """Paper, equations, sizes and deviations are given, and all targets can be imported."""
    spec = subject.spec
    for field in ("authors", "title", "venue"):
        if not getattr(spec.paper, field).strip():
            raise CheckFailed(f"the paper has no {field}")
    if spec.is_trainable and not spec.equations:
        raise CheckFailed("equations is empty: give each formula with its place in the paper")
    if not spec.sizes or sorted(set(spec.sizes)) != list(spec.sizes):
        raise CheckFailed(f"sizes must be non-empty and increasing, not {spec.sizes}")
    for deviation in spec.deviations:
        if not all(text.strip() for text in vars(deviation).values()):
            raise CheckFailed(f"a deviation has no paper, here or reason: {deviation}")
    implementation = load_object(spec.implementation)
    if not (isinstance(implementation, type) and issubclass(implementation, Method)):
        raise CheckFailed(f"{spec.implementation} is not a subclass of benchbed.Method")


def check_settings(subject: MethodUnderTest) -> str:
    """The defaults and every preset are valid, and each setting has a help and a source."""
    for preset in PRESETS:
        resolve_method_settings(subject.spec, preset, {})
    model = load_object(subject.spec.settings)
    for name, field in model.model_fields.items():
        extra = field.json_schema_extra or {}
        if not field.description or not extra.get("source"):
            raise CheckFailed(f"setting {name!r} has no help or source")
    return f"{len(model.model_fields)} settings"


def check_builds(subject: MethodUnderTest) -> str:
    """At every declared size, with one and more channels, outputs have the right shapes."""
    for size in subject.sizes:
        # Channels affect only the outermost layers, so one size is enough to vary them.
        for channels in subject.channels if size == subject.sizes[0] else subject.channels[-1:]:
            method = subject.build(size, channels)
            for name, tensor, parts in _collect_outputs(subject, method):
                expected = (2, parts, *method.data.spatial)
                if tuple(tensor.shape) != expected:
                    raise CheckFailed(
                        f"{name} at {size} px with {channels} channels has shape "
                        f"{tuple(tensor.shape)}, expected {expected}"
                    )
    return f"{', '.join(map(str, subject.sizes))} px"


def check_output_range(subject: MethodUnderTest) -> None:
    """Images and masks are float32 in [-1, 1], probabilities in [0, 1], all finite."""
    method = subject.build_trainable()
    history = subject.train_steps(method, range(10), 10)
    if not all(math.isfinite(loss) for losses in history for loss in losses.values()):
        raise CheckSkipped("its losses are not finite; see that check")
    for name, tensor, _ in _collect_outputs(subject, method):
        low = 0.0 if name == "segment" else -1.0
        if tensor.dtype != torch.float32:
            raise CheckFailed(f"{name} has dtype {tensor.dtype}, expected float32")
        if not bool(torch.isfinite(tensor).all()):
            raise CheckFailed(f"{name} contains NaN or infinity")
        if float(tensor.min()) < low or float(tensor.max()) > 1.0:
            raise CheckFailed(
                f"{name} ranges from {float(tensor.min()):.3g} to {float(tensor.max()):.3g}, "
                f"outside [{low:g}, 1]"
            )


def check_sample_seeds(subject: MethodUnderTest) -> None:
    """The same seed gives the same samples, another seed others, and samples differ."""
    if "sample" not in subject.spec.capabilities:
        raise CheckSkipped("no capability sample")
    method = subject.build(subject.smallest_size)
    first, again, other = (draw_samples(method, 3, seed).image for seed in (1, 1, 2))
    if not torch.equal(first, again):
        raise CheckFailed("two draws with the same seed differ; draw all noise from rng")
    if torch.equal(first, other):
        raise CheckFailed("another seed gives the same samples; draw the noise from rng")
    if torch.equal(first[0], first[1]):
        raise CheckFailed("all samples of one draw are identical")


def check_conditioning(subject: MethodUnderTest) -> None:
    """Another mask gives another image, and another image another mask."""
    method = subject.build(subject.smallest_size)
    batch = subject.make_batch(0)
    conditional = subject.spec.capabilities & {"synthesize", "segment"}
    if not conditional:
        raise CheckSkipped("the method is unconditional")
    with preserve_training_state(method, 0) as rng:
        if "synthesize" in conditional:
            assert batch.mask is not None
            state = rng.get_state()
            image = method.synthesize(batch.mask, rng)
            rng.set_state(state)
            if torch.equal(image, method.synthesize(-batch.mask, rng)):
                raise CheckFailed("synthesize returns the same image for another mask")
        if "segment" in conditional and torch.equal(
            method.segment(batch.image), method.segment(-batch.image)
        ):
            raise CheckFailed("segment returns the same mask for another image")


def check_global_state(subject: MethodUnderTest) -> None:
    """Building, training and sampling change no global seed, default dtype or mode."""

    def settings() -> dict[str, Any]:
        return {
            "the default dtype": torch.get_default_dtype(),
            "the number of threads": torch.get_num_threads(),
            "whether gradients are enabled": torch.is_grad_enabled(),
            "deterministic algorithms": torch.are_deterministic_algorithms_enabled(),
        }

    method = subject.build_trainable()
    fresh: Method[Any] = load_object(subject.spec.implementation)(subject.settings)
    fresh.data = method.data
    before = settings()
    with record_seed_calls() as called:
        fresh.build(fresh.data)
        subject.train_steps(method, range(2), 4)
        method.eval()
        if "sample" in subject.spec.capabilities:
            with torch.no_grad():
                method.sample(2, torch.Generator().manual_seed(0))
    if called:
        raise CheckFailed(
            f"it calls {', '.join(sorted(set(called)))}; only the harness may set seeds"
        )
    changed = [name for name, value in settings().items() if value != before[name]]
    if changed:
        raise CheckFailed(f"it changes {', '.join(changed)}")


def _collect_outputs(
    subject: MethodUnderTest, method: Method[Any]
) -> list[tuple[str, torch.Tensor, int]]:
    """Return each output for two cases, with its expected number of channels."""
    data = method.data
    outputs: list[tuple[str, torch.Tensor, int]] = []
    image = torch.zeros(2, data.channels, *data.spatial)
    mask = torch.ones(2, data.mask_channels, *data.spatial)
    with preserve_training_state(method, 0) as rng:
        if "sample" in subject.spec.capabilities:
            samples = method.sample(2, rng)
            outputs.append(("sample", samples.image, data.channels))
            if samples.mask is not None:
                outputs.append(("sample's mask", samples.mask, data.mask_channels))
        if "pairs" in subject.spec.capabilities:
            pairs = method.sample_pairs(2, rng)
            if pairs.mask is None:
                raise CheckFailed(
                    "sample_pairs() returns no mask, although the spec declares pairs"
                )
            outputs.append(("pair", pairs.image, data.channels))
            outputs.append(("pair's mask", pairs.mask, max(data.mask_channels, 1)))
        if "synthesize" in subject.spec.capabilities:
            outputs.append(("synthesize", method.synthesize(mask, rng), data.channels))
        if "segment" in subject.spec.capabilities:
            outputs.append(("segment", method.segment(image), data.mask_channels))
    return outputs


CHECKS = (
    check_spec_imports,
    check_spec_fields,
    check_settings,
    check_builds,
    check_output_range,
    check_sample_seeds,
    check_conditioning,
    check_global_state,
)
