"""pix2pix for volumes: layers, losses, noise, and pairs with altered tumours."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from benchbed import Batch, DataShape
from benchbed.training.device import create_fabric
from benchbed_pix2pix3d.labels import to_codes, to_mask, to_one_hot
from benchbed_pix2pix3d.networks import Discriminator, Generator
from benchbed_pix2pix3d.segmentation import Pix2Pix3DSeg
from benchbed_pix2pix3d.settings import SegmentationSettings, SynthesisSettings
from benchbed_pix2pix3d.shapes import PaddedFrame, compute_strides, pad_shape
from benchbed_pix2pix3d.synthesis import Pix2Pix3D

SMALL = (9, 16, 16)
NARROW = {"features": 4, "discriminator_features": 4}


def _parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def _ready(
    direction: str, spatial: tuple[int, int, int] = SMALL, classes: int = 6, **settings: Any
) -> Any:
    torch.manual_seed(0)
    narrow = {**NARROW, **settings}
    method: Any
    if direction == "synthesis":
        method = Pix2Pix3D(SynthesisSettings(**narrow))
    else:
        method = Pix2Pix3DSeg(SegmentationSettings(**{"augment": False, **narrow}))
    method.data = DataShape(2, spatial, classes)
    method.build(method.data)
    method.attach(create_fabric("cpu", "fp32"))
    method.train()
    return method


def _batch(count: int = 1, spatial: tuple[int, int, int] = SMALL, classes: int = 6) -> Batch:
    """Return nested boxes, one for each class, brighter with a higher class number."""
    grid = torch.stack(torch.meshgrid(*(torch.linspace(-1, 1, n) for n in spatial), indexing="ij"))
    depth = (1 - grid.abs().amax(0)) * (classes + 1)
    codes = depth.floor().clamp(0, classes).to(torch.uint8).expand(count, *spatial)
    numbers = torch.arange(1, classes + 1).view(1, -1, 1, 1, 1)
    mask = (codes.unsqueeze(1) == numbers).float() * 2 - 1
    bright = codes.float() / classes * 1.6 - 1
    return Batch(image=torch.stack([bright, -bright.clamp(min=-0.5)], 1), mask=mask)


def _rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# --- networks


@pytest.mark.parametrize(
    ("features", "count"), [(64, 167_321_220), (32, 41_848_644), (16, 10_471_332)]
)
def test_parameter_counts_of_the_generator_at_the_papers_size(features: int, count: int) -> None:
    with torch.device("meta"):
        network = Generator([-1.0] * 8, 4, (54, 128, 128), features=features).eval()
        made = network(torch.empty(1, 8, 54, 128, 128))
    assert _parameters(network) == count
    assert made.shape == (1, 4, 54, 128, 128)


@pytest.mark.parametrize(("features", "count"), [(64, 11_093_825), (32, 2_794_401)])
def test_parameter_counts_and_output_grid_of_the_discriminator(features: int, count: int) -> None:
    with torch.device("meta"):
        network = Discriminator([-1.0] * 12, (54, 128, 128), features).eval()
        logits = network(torch.empty(1, 8, 54, 128, 128), torch.empty(1, 4, 54, 128, 128))
    assert _parameters(network) == count
    assert logits.shape == (1, 1, 6, 14, 14)


def test_strides_at_the_papers_size() -> None:
    assert pad_shape((54, 128, 128)) == (64, 128, 128)
    assert compute_strides((64, 128, 128)) == [(2, 2, 2)] * 6 + [(1, 2, 2)]


@pytest.mark.parametrize(
    ("spatial", "layers"),
    [((14, 32, 32), 5), ((27, 64, 64), 6), ((32, 32, 32), 5), ((8, 32, 32), 5), ((9, 20, 16), 5)],
)
def test_other_sizes_are_halved_to_one_voxel(spatial: tuple[int, int, int], layers: int) -> None:
    with torch.device("meta"):
        generator = Generator([-1.0] * 3, 2, spatial, features=2)
        code: list[tuple[int, ...]] = []
        generator.downs[-1].register_forward_hook(lambda *given: code.append(given[2].shape[2:]))
        made = generator(torch.empty(1, 3, *spatial))
        discriminator = Discriminator([-1.0] * 5, spatial, 2)
        logits = discriminator(torch.empty(1, 3, *spatial), made)
    assert len(generator.downs) == layers
    assert code == [(1, 1, 1)]
    assert made.shape == (1, 2, *spatial)
    assert min(logits.shape[2:]) >= 2


def test_a_volume_is_centred_in_its_padding() -> None:
    """54 slices become 64: five before and five after, with each channel's background."""
    frame = PaddedFrame((54, 4, 4), [1.0, -1.0])
    volume = torch.zeros(1, 2, 54, 4, 4)
    padded = frame.pad_volume(volume)
    assert padded.shape == (1, 2, 64, 4, 4)
    for outside in (padded[:, :, :5], padded[:, :, -5:]):
        assert (outside[:, 0] == 1).all()
        assert (outside[:, 1] == -1).all()
    assert torch.equal(frame.crop_volume(padded), volume)


def test_first_innermost_and_last_layers_have_no_normalisation() -> None:
    network = Generator([-1.0] * 2, 2, (16, 32, 32), features=2)
    downs = [any(isinstance(m, nn.InstanceNorm3d) for m in d.modules()) for d in network.downs]
    ups = [any(isinstance(m, nn.InstanceNorm3d) for m in u.modules()) for u in network.ups]
    drops = [any(isinstance(m, nn.Dropout) for m in u.modules()) for u in network.ups]
    assert downs == [False, True, True, True, False]
    assert ups == [True] * 4
    assert drops == [True, True, True, False]


def test_weights_are_initialised_as_in_pix2pix() -> None:
    network = Generator([-1.0] * 4, 4, (16, 32, 32), features=16)
    for layer in network.modules():
        if isinstance(layer, nn.Conv3d | nn.ConvTranspose3d):
            assert float(layer.weight.detach().std()) == pytest.approx(0.02, rel=0.05)


# --- training


@pytest.mark.parametrize("direction", ["synthesis", "segmentation"])
def test_a_step_updates_each_network_once_from_one_output(direction: str) -> None:
    method = _ready(direction)
    forwards: list[int] = []
    method.generator.register_forward_hook(lambda *_: forwards.append(1))
    for _ in range(2):
        losses = method.training_step(_batch(), 0.0)
    assert dict(method.updates) == {"discriminator": 2, "generator": 2}
    assert len(forwards) == 2
    assert all(torch.isfinite(loss) for loss in losses.values())


@pytest.mark.parametrize("direction", ["synthesis", "segmentation"])
def test_l1_decreases_in_ten_steps(direction: str) -> None:
    method = _ready(direction, learning_rate=2e-3)
    history = [float(method.training_step(_batch(), 0.0)["l1"].detach()) for _ in range(10)]
    assert np.mean(history[-2:]) < 0.8 * history[0]


def test_losses_of_undecided_networks_and_weight_of_l1() -> None:
    """D outputs 0.5: 2 ln 2 and ln 2; the loss of G is ln 2 + 100 L1."""
    method = _ready("synthesis")
    nn.init.zeros_(method.discriminator.module.body[-1].weight)
    nn.init.zeros_(method.discriminator.module.body[-1].bias)
    given: dict[str, float] = {}
    method.update = lambda name, loss: given.update({name: loss.item()})
    losses = {k: float(v.detach()) for k, v in method.training_step(_batch(), 0.0).items()}
    assert given["discriminator"] == pytest.approx(2 * math.log(2))
    assert given["generator"] == pytest.approx(math.log(2) + 100 * losses["l1"])


@pytest.mark.parametrize("direction", ["synthesis", "segmentation"])
def test_optimizers_match_pix2pix(direction: str) -> None:
    for optimizer in _ready(direction).optimizers.values():
        group = optimizer.param_groups[0]
        assert (group["lr"], group["betas"]) == (2e-4, (0.5, 0.999))


def test_both_directions_have_one_architecture() -> None:
    """Only the 6 + 1 classes and the 2 sequences are exchanged."""
    forward, backward = _ready("synthesis"), _ready("segmentation")
    shapes = [
        sorted(tuple(p.shape[2:]) for p in m.generator.parameters()) for m in (forward, backward)
    ]
    assert shapes[0] == shapes[1]
    assert forward.generator.module.downs[0][1].in_channels == 7
    assert backward.generator.module.last.conv.out_channels == 7


def test_the_target_of_segmentation_has_a_background_channel() -> None:
    method = _ready("segmentation")
    seen: list[torch.Tensor] = []
    method.discriminator.register_forward_pre_hook(lambda _, given: seen.append(given[1]))
    batch = _batch()
    method.training_step(batch, 0.0)
    assert batch.mask is not None
    assert torch.equal(seen[0], to_one_hot(batch.mask))
    assert torch.equal(seen[0].argmax(1), to_codes(batch.mask).long())


def test_augmentation_changes_the_training_images() -> None:
    given: list[torch.Tensor] = []
    method = _ready("segmentation", augment=True)
    method.generator.register_forward_pre_hook(lambda _, args: given.append(args[0]))
    batch = _batch()
    for _ in range(3):
        method.training_step(batch, 0.0)
    assert any(not torch.equal(image, batch.image) for image in given)


# --- noise


@pytest.mark.parametrize("direction", ["synthesis", "segmentation"])
def test_dropout_depends_on_the_seed(direction: str) -> None:
    """In evaluation mode, which the harness uses for sampling."""
    for dropout in (True, False):
        method = _ready(direction, inference_dropout=dropout).eval()
        batch = _batch()
        made = []
        with torch.no_grad():
            for seed in (1, 1, 2):
                torch.manual_seed(seed)
                made.append(
                    method.synthesize(batch.mask, _rng())
                    if direction == "synthesis"
                    else method.segment(batch.image)
                )
        assert torch.equal(made[0], made[1])
        assert torch.equal(made[0], made[2]) != dropout


def test_a_volume_depends_on_neither_its_batch_nor_the_mode() -> None:
    """Normalisation is per volume, in training and in evaluation."""
    method = _ready("synthesis", dropout=0.0)
    mask = torch.cat([_batch().mask, -torch.ones(1, 6, *SMALL)])  # type: ignore[list-item]
    with torch.no_grad():
        together = method.generator(to_one_hot(mask))
        alone = method.eval().generator(to_one_hot(mask[:1]))
    torch.testing.assert_close(together[:1], alone)


# --- capabilities


def test_segmentation_gives_probabilities_of_every_class() -> None:
    method = _ready("segmentation")
    with torch.no_grad():
        found = method.eval().segment(_batch(2).image)
    assert found.shape == (2, 6, *SMALL)
    assert 0 <= float(found.min()) <= float(found.max()) <= 1


def test_samples_before_training_have_empty_label_maps() -> None:
    method = _ready("synthesis").eval()
    with torch.no_grad():
        made = method.sample(2, _rng())
    assert made.image.shape == (2, 2, *SMALL)
    assert torch.equal(made.mask, -torch.ones(2, 6, *SMALL))


def _trained(**settings: Any) -> Any:
    """Return a method trained on a case with a tumour and one without."""
    method = _ready("synthesis", (9, 32, 32), **settings)
    batch = _batch(2, (9, 32, 32))
    assert batch.mask is not None
    tissue = to_codes(batch.mask)[1].clamp(max=2)  # other tissue also in place of the tumour
    numbers = torch.arange(1, 7).view(-1, 1, 1, 1)
    batch.mask[1] = (tissue == numbers).float() * 2 - 1
    method.training_step(batch, 0.0)
    return method.eval()


def test_pairs_have_altered_tumours_and_matching_images() -> None:
    method = _trained()
    known = [method.labels[place].codes for place in range(2)]
    with torch.no_grad():
        pairs = method.sample_pairs(12, _rng())
        torch.manual_seed(3)
        again = method.sample_pairs(12, _rng())
        torch.manual_seed(3)
        assert torch.equal(method.synthesize(again.mask, _rng()), again.image)
    codes = to_codes(pairs.mask).numpy()
    assert torch.equal(again.mask, pairs.mask)
    assert (codes > 3).any((1, 2, 3)).all()  # every one has a tumour
    assert np.unique(codes.reshape(12, -1), axis=0).shape[0] > 4
    assert not all(any(np.array_equal(c, k) for k in known) for c in codes)
    with torch.no_grad():
        assert not torch.equal(method.sample_pairs(12, _rng(1)).mask, pairs.mask)


def test_a_tumour_is_transplanted_into_a_case_without() -> None:
    """Outside the tumour, the map equals the tissue of the other case."""
    method = _trained(largest_shift=0.0, largest_scaling=0.0)
    donor, host = (method.labels[place].codes for place in range(2))
    with torch.no_grad():
        codes = to_codes(method.sample(30, _rng()).mask).numpy()
    grafted = [c for c in codes if not np.array_equal(c, donor)]
    assert 0 < len(grafted) < 30
    for graft in grafted:
        assert np.array_equal(graft[donor < 4], host[donor < 4])


def _with_hosts(**settings: Any) -> tuple[Any, np.ndarray]:
    """Return a method trained on cases with tumours, and the label map of another dataset."""
    method = _ready("synthesis", (9, 32, 32), **settings)
    tissue = torch.zeros(1, 9, 32, 32, dtype=torch.uint8)
    tissue[..., 4:28, 4:28] = 2
    method.receive_masks([to_mask(tissue, 3)])
    batch = _batch(2, (9, 32, 32))
    method.training_step(batch, 0.0)
    return method.eval(), tissue[0].numpy()


def test_tumours_are_transplanted_to_the_tissues_of_another_dataset() -> None:
    """Section 3.1: the hosts are tumour-free brain labels of ADNI."""
    method, host = _with_hosts(largest_shift=0.0, largest_scaling=0.0)
    donors = [method.labels[place].codes for place in (1, 2)]
    with torch.no_grad():
        codes = to_codes(method.sample(40, _rng()).mask).numpy()
    grafted = [c for c in codes if not any(np.array_equal(c, donor) for donor in donors)]
    assert 0 < len(grafted) < 40
    for graft in grafted:
        assert (graft > 3).any()
        assert np.array_equal(graft[graft < 4], host[graft < 4])


def test_hosts_are_no_samples() -> None:
    method, host = _with_hosts(alter_tumours=False)
    with torch.no_grad():
        codes = to_codes(method.sample(20, _rng()).mask).numpy()
    assert not any(np.array_equal(c, host) for c in codes)


def test_label_maps_are_unchanged_without_alteration() -> None:
    method = _trained(alter_tumours=False)
    known = [method.labels[place].codes for place in range(2)]
    with torch.no_grad():
        codes = to_codes(method.sample(20, _rng()).mask).numpy()
    matches = [[np.array_equal(c, k) for k in known].index(True) for c in codes]
    assert set(matches) == {0, 1}


def test_brain_is_the_foreground_if_there_are_no_tissue_labels() -> None:
    method = _ready("synthesis", classes=2)
    batch = _batch(1, classes=2)
    batch.image[:] = -1
    batch.image[:, 1, :, 2:-2, 2:-2] = 0.3
    method.training_step(batch, 0.0)
    case = method.labels[0]
    assert case.first == 1
    expected = (batch.image[0] > -0.99).any(0).numpy() | (case.codes > 0)
    assert np.array_equal(case.brain, expected)
    assert not case.brain.all()


def test_a_state_restores_the_label_maps() -> None:
    method, other = _trained(), _ready("synthesis", (9, 32, 32)).eval()
    other.restore_state(method.get_state())
    made = []
    for each in (method, other):
        torch.manual_seed(0)
        with torch.no_grad():
            made.append(each.sample(2, _rng()))
    assert torch.equal(made[0].mask, made[1].mask)
    assert torch.equal(made[0].image, made[1].image)


def test_bfloat16_gradients_do_not_read_uninitialised_memory() -> None:
    """Free memory is filled with NaN, so reading it would give NaN gradients."""
    torch.manual_seed(0)
    discriminator = Discriminator([-1.0] * 5, (32, 32, 32), 16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        for _ in range(20):
            for size in (1000, 10_000, 100_000):
                torch.full((size,), float("nan"))
            scores = discriminator(torch.rand(2, 4, 32, 32, 32), torch.rand(2, 1, 32, 32, 32))
            discriminator.zero_grad()
            scores.float().square().mean().backward()
            for name, weights in discriminator.named_parameters():
                assert weights.grad is not None
                assert torch.isfinite(weights.grad).all(), name


def test_the_learning_rate_of_d_is_its_own_in_segmentation() -> None:
    method = _ready("segmentation", learning_rate=1e-3, discriminator_learning_rate=3e-4)
    rates = {name: o.param_groups[0]["lr"] for name, o in method.optimizers.items()}
    assert rates == {"generator": 1e-3, "discriminator": 3e-4}
