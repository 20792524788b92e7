"""Anisotropic WNet: network, views and their order, slabs, and the Dice loss."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from benchbed import Batch, DataShape
from benchbed.training.device import create_fabric
from benchbed_anisotropic.network import SLICE_MARGIN, AnisotropicNetwork, ResidualBlock
from benchbed_anisotropic.settings import WNetSettings
from benchbed_anisotropic.wnet import VIEW_AXES, WNet, compute_dice_loss, pad_margin, permute_view

SMALL = (8, 14, 16)


def _method(spatial: tuple[int, int, int] = SMALL, **settings: Any) -> WNet:
    torch.manual_seed(0)
    method = WNet(WNetSettings(**{"features": 4, "augment": False, **settings}))
    method.data = DataShape(2, spatial, 3)
    method.build(method.data)
    method.attach(create_fabric("cpu", "fp32"))
    method.train()
    return method


def _batch(count: int = 2, spatial: tuple[int, int, int] = SMALL) -> Batch:
    """Return images of three bands of different brightness, with their masks."""
    codes = torch.zeros(spatial, dtype=torch.int64)
    for number in (1, 2, 3):
        codes[1:-1, 3 * number : 3 * number + 3, 2:-2] = number
    mask = (codes == torch.arange(1, 4).view(-1, 1, 1, 1)).float() * 2 - 1
    image = torch.stack([codes / 1.5 - 1, 1 - codes / 1.5])
    return Batch(image=image.repeat(count, 1, 1, 1, 1), mask=mask.repeat(count, 1, 1, 1, 1))


def _weights(method: WNet, view: str) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in method.get_network(view).parameters()])


# --- network


def test_a_slab_of_19_slices_gives_11() -> None:
    with torch.device("meta"):
        network = AnisotropicNetwork(4, 2).eval()
        assert network(torch.empty(5, 4, 19, 144, 144)).shape == (5, 2, 11, 144, 144)


@pytest.mark.parametrize("plane", [(14, 32), (27, 64), (9, 10)])
def test_planes_not_divisible_by_4_keep_their_size(plane: tuple[int, int]) -> None:
    with torch.device("meta"):
        network = AnisotropicNetwork(1, 3, 4).eval()
        assert network(torch.empty(1, 1, 12, *plane)).shape == (1, 3, 4, *plane)


def test_a_prediction_depends_on_nine_slices() -> None:
    """Four slices away has an effect; five slices away has none."""
    torch.manual_seed(0)
    network = AnisotropicNetwork(1, 2, 4).double().eval()
    slab = torch.rand(1, 1, 2 * SLICE_MARGIN + 7, 8, 8, dtype=torch.float64)
    changed = slab.clone()
    changed[:, :, 0] += 1
    with torch.no_grad():
        difference = (network(slab) - network(changed)).abs().amax((0, 1, 3, 4))
    assert float(difference[0]) > 0
    assert float(difference[1:].max()) == 0


def test_a_residual_block_adds_its_input() -> None:
    block = ResidualBlock(2, 5)
    torch.nn.init.zeros_(block.body[-1].weight)
    x = torch.rand(1, 2, 3, 6, 6)
    out = block(x)
    assert torch.equal(out[:, :2], x)
    assert not out[:, 2:].any()


def test_convolutions_within_and_across_slices() -> None:
    """20 convolutions of 1 x 3 x 3 in ten blocks, four of 3 x 1 x 1, dilations 1 2 3 3 2 1."""
    convolutions = [m for m in AnisotropicNetwork(4, 2).modules() if isinstance(m, torch.nn.Conv3d)]
    blocks = [m for m in AnisotropicNetwork(4, 2).modules() if isinstance(m, ResidualBlock)]
    assert len(blocks) == 10
    assert sum(c.kernel_size == (3, 1, 1) for c in convolutions) == 4
    assert sum(c.stride == (1, 2, 2) for c in convolutions) == 2
    dilations = [block.body[2].dilation[1] for block in blocks]  # type: ignore[union-attr, index]
    assert dilations == [1, 1, 1, 1, 1, 2, 3, 3, 2, 1]


# --- views


def test_views_put_their_slices_first_and_are_reversible() -> None:
    volume = torch.rand(1, 2, 5, 6, 7)
    assert {view: permute_view(volume, view).shape[2] for view in VIEW_AXES} == {
        "axial": 5,
        "coronal": 6,
        "sagittal": 7,
    }
    assert all(
        torch.equal(permute_view(permute_view(volume, view), view), volume) for view in VIEW_AXES
    )


@pytest.mark.parametrize(
    ("progress", "view"),
    [(0.0, "axial"), (0.66, "axial"), (0.67, "sagittal"), (0.83, "sagittal"), (0.84, "coronal"),
     (0.9999, "coronal")],
)  # fmt: skip
def test_views_are_trained_in_order(progress: float, view: str) -> None:
    """20,000, 5,000 and 5,000 of 30,000 iterations."""
    method = _method()
    method.training_step(_batch(), progress)
    assert dict(method.updates) == {view: 1}


def test_later_views_copy_the_axial_weights_once() -> None:
    method = _method()
    assert not torch.equal(_weights(method, "axial"), _weights(method, "coronal"))
    method.get_current_view(0.7)
    assert torch.equal(_weights(method, "axial"), _weights(method, "sagittal"))
    assert not torch.equal(_weights(method, "axial"), _weights(method, "coronal"))
    method.training_step(_batch(), 0.7)
    trained = _weights(method, "sagittal")
    method.get_current_view(0.75)
    assert torch.equal(trained, _weights(method, "sagittal"))


def test_the_state_includes_which_views_have_started() -> None:
    method, other = _method(), _method()
    method.training_step(_batch(), 0.7)
    other.restore_state(method.get_state())
    assert other.begun.tolist() == [True, True, False]
    for each in (method, other):
        each.eval()
    with torch.no_grad():
        assert torch.equal(method.segment(_batch().image), other.segment(_batch().image))


def test_started_views_are_averaged() -> None:
    method = _method().eval()
    image = _batch(1).image
    by_view: dict[str, torch.Tensor] = {}
    with torch.no_grad():
        for view in VIEW_AXES:
            logits = method.get_network(view)(pad_margin(permute_view(image, view)))
            by_view[view] = permute_view(logits.softmax(1), view)[:, 1:]
        torch.testing.assert_close(method.segment(image), by_view["axial"])
        method.begun[:] = True
        torch.testing.assert_close(method.segment(image), sum(by_view.values()) / 3)


# --- training


def test_dice_loss_of_known_values() -> None:
    truth = torch.tensor([[[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0]]])
    assert float(compute_dice_loss(truth * 200 - 100, truth)) == pytest.approx(0.0, abs=1e-4)
    assert float(compute_dice_loss(100 - truth * 200, truth)) == pytest.approx(1.0, abs=1e-4)
    # One half everywhere: 2 * 1 / (4 / 4 + 2) for each class.
    assert float(compute_dice_loss(torch.zeros_like(truth), truth)) == pytest.approx(
        1 / 3, abs=1e-4
    )


def test_slabs_are_aligned_with_their_labels() -> None:
    """A slab has a margin of 4 slices on either side, padded beyond the ends."""
    method = _method(slab=3)
    image = torch.arange(8.0).view(1, 1, 8, 1, 1).expand(6, 2, 8, 4, 4)
    mask = -torch.ones(6, 3, 8, 4, 4)
    mask[:, 1, 5] = 1
    slabs, labels = method.sample_slabs(image, mask)
    assert slabs.shape == (6, 2, 11, 4, 4)
    assert labels.shape == (6, 4, 3, 4, 4)
    starts = slabs[:, 0, SLICE_MARGIN, 0, 0].long().tolist()
    assert len(set(starts)) > 1
    for case, start in enumerate(starts):
        expected = [start + place == 5 for place in range(3)]
        assert (labels[case, 2, :, 0, 0] == 1).tolist() == expected
        assert (labels[case, 0, :, 0, 0] == 0).tolist() == expected
        assert float(slabs[case, 0, 0, 0, 0]) == (start - 4 if start >= 4 else -1)


def test_the_loss_decreases_in_ten_steps() -> None:
    method = _method(learning_rate=5e-3)
    history = [
        float(method.training_step(_batch(), 0.0)["axial_dice_loss"].detach()) for _ in range(10)
    ]
    assert history[-1] < 0.8 * history[0]


def test_the_optimizer_matches_the_authors_code() -> None:
    for optimizer in _method().optimizers.values():
        group = optimizer.param_groups[0]
        assert (group["lr"], group["weight_decay"]) == (1e-3, 1e-7)


def test_segmentation_returns_probabilities() -> None:
    method = _method().eval()
    with torch.no_grad():
        output = method.segment(_batch().image)
    assert output.shape == (2, 3, *SMALL)
    assert float(output.min()) >= 0
    assert float(output.sum(1).max()) <= 1 + 1e-6
