"""The anisotropic WNet: slabs, views, their turns, the Dice loss."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from benchbed import Batch, DataShape
from benchbed.runs.device import fabric
from benchbed_anisotropic.network import MARGIN, AnisotropicNetwork, ResidualBlock
from benchbed_anisotropic.settings import WNetSettings
from benchbed_anisotropic.wnet import VIEWS, WNet, dice_loss, seen_along, with_margin

SMALL = (8, 14, 16)


def _ready(spatial: tuple[int, int, int] = SMALL, **settings: Any) -> WNet:
    torch.manual_seed(0)
    method = WNet(WNetSettings(**{"features": 4, "augment": False, **settings}))
    method.data = DataShape(2, spatial, 3)
    method.build(method.data)
    method.attach(fabric("cpu", "fp32"))
    method.train()
    return method


def _batch(count: int = 2, spatial: tuple[int, int, int] = SMALL) -> Batch:
    """Three bands, each of its own brightness."""
    codes = torch.zeros(spatial, dtype=torch.int64)
    for number in (1, 2, 3):
        codes[1:-1, 3 * number : 3 * number + 3, 2:-2] = number
    mask = (codes == torch.arange(1, 4).view(-1, 1, 1, 1)).float() * 2 - 1
    image = torch.stack([codes / 1.5 - 1, 1 - codes / 1.5])
    return Batch(image=image.repeat(count, 1, 1, 1, 1), mask=mask.repeat(count, 1, 1, 1, 1))


def _weights(method: WNet, view: str) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in method.network(view).parameters()])


# --- network


def test_the_papers_slab_of_19_slices_gives_11() -> None:
    with torch.device("meta"):
        network = AnisotropicNetwork(4, 2).eval()
        assert network(torch.empty(5, 4, 19, 144, 144)).shape == (5, 2, 11, 144, 144)


@pytest.mark.parametrize("plane", [(14, 32), (27, 64), (9, 10)])
def test_planes_that_4_does_not_divide_are_segmented_whole(plane: tuple[int, int]) -> None:
    with torch.device("meta"):
        network = AnisotropicNetwork(1, 3, 4).eval()
        assert network(torch.empty(1, 1, 12, *plane)).shape == (1, 3, 4, *plane)


def test_a_slice_is_predicted_from_nine() -> None:
    """What is five slices away does not count, what is four slices away does."""
    torch.manual_seed(0)
    network = AnisotropicNetwork(1, 2, 4).double().eval()
    slab = torch.rand(1, 1, 2 * MARGIN + 7, 8, 8, dtype=torch.float64)
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


def test_the_layers_within_slices_and_across_them() -> None:
    """20 convolutions of 1 x 3 x 3 in ten blocks, four of 3 x 1 x 1, dilations 1 2 3 3 2 1."""
    convolutions = [m for m in AnisotropicNetwork(4, 2).modules() if isinstance(m, torch.nn.Conv3d)]
    blocks = [m for m in AnisotropicNetwork(4, 2).modules() if isinstance(m, ResidualBlock)]
    assert len(blocks) == 10
    assert sum(c.kernel_size == (3, 1, 1) for c in convolutions) == 4
    assert sum(c.stride == (1, 2, 2) for c in convolutions) == 2
    dilations = [block.body[2].dilation[1] for block in blocks]  # type: ignore[union-attr, index]
    assert dilations == [1, 1, 1, 1, 1, 2, 3, 3, 2, 1]


# --- views


def test_a_view_has_its_slices_first_and_back() -> None:
    volume = torch.rand(1, 2, 5, 6, 7)
    assert {view: seen_along(volume, view).shape[2] for view in VIEWS} == {
        "axial": 5,
        "coronal": 6,
        "sagittal": 7,
    }
    assert all(torch.equal(seen_along(seen_along(volume, view), view), volume) for view in VIEWS)


@pytest.mark.parametrize(
    ("progress", "view"),
    [(0.0, "axial"), (0.66, "axial"), (0.67, "sagittal"), (0.83, "sagittal"), (0.84, "coronal"),
     (0.9999, "coronal")],
)  # fmt: skip
def test_the_views_take_turns(progress: float, view: str) -> None:
    """20,000, 5,000 and 5,000 of 30,000 iterations."""
    method = _ready()
    method.training_step(_batch(), progress)
    assert dict(method.updates) == {view: 1}


def test_later_views_begin_with_the_axial_weights_and_only_once() -> None:
    method = _ready()
    assert not torch.equal(_weights(method, "axial"), _weights(method, "coronal"))
    method.turn(0.7)
    assert torch.equal(_weights(method, "axial"), _weights(method, "sagittal"))
    assert not torch.equal(_weights(method, "axial"), _weights(method, "coronal"))
    method.training_step(_batch(), 0.7)
    learned = _weights(method, "sagittal")
    method.turn(0.75)
    assert torch.equal(learned, _weights(method, "sagittal"))


def test_a_state_knows_which_views_have_begun() -> None:
    method, other = _ready(), _ready()
    method.training_step(_batch(), 0.7)
    other.restore(method.state())
    assert other.begun.tolist() == [True, True, False]
    for each in (method, other):
        each.eval()
    with torch.no_grad():
        assert torch.equal(method.segment(_batch().image), other.segment(_batch().image))


def test_the_views_that_have_begun_are_averaged() -> None:
    method = _ready().eval()
    image = _batch(1).image
    alone: dict[str, torch.Tensor] = {}
    with torch.no_grad():
        for view in VIEWS:
            logits = method.network(view)(with_margin(seen_along(image, view)))
            alone[view] = seen_along(logits.softmax(1), view)[:, 1:]
        torch.testing.assert_close(method.segment(image), alone["axial"])
        method.begun[:] = True
        torch.testing.assert_close(method.segment(image), sum(alone.values()) / 3)


# --- training


def test_the_dice_loss_of_numbers_that_can_be_followed() -> None:
    truth = torch.tensor([[[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0]]])
    assert float(dice_loss(truth * 200 - 100, truth)) == pytest.approx(0.0, abs=1e-4)
    assert float(dice_loss(100 - truth * 200, truth)) == pytest.approx(1.0, abs=1e-4)
    # One half everywhere: 2 * 1 / (4 / 4 + 2) for each class.
    assert float(dice_loss(torch.zeros_like(truth), truth)) == pytest.approx(1 / 3, abs=1e-4)


def test_slabs_have_their_labels_under_them() -> None:
    """With a margin of 4 slices on either side, empty beyond the ends."""
    method = _ready(slab=3)
    image = torch.arange(8.0).view(1, 1, 8, 1, 1).expand(6, 2, 8, 4, 4)
    mask = -torch.ones(6, 3, 8, 4, 4)
    mask[:, 1, 5] = 1
    seen, known = method.slabs(image, mask)
    assert seen.shape == (6, 2, 11, 4, 4)
    assert known.shape == (6, 4, 3, 4, 4)
    starts = seen[:, 0, MARGIN, 0, 0].long().tolist()
    assert len(set(starts)) > 1
    for case, start in enumerate(starts):
        marked = [start + place == 5 for place in range(3)]
        assert (known[case, 2, :, 0, 0] == 1).tolist() == marked
        assert (known[case, 0, :, 0, 0] == 0).tolist() == marked
        assert float(seen[case, 0, 0, 0, 0]) == (start - 4 if start >= 4 else -1)


def test_the_loss_falls_in_ten_steps() -> None:
    method = _ready(learning_rate=5e-3)
    history = [
        float(method.training_step(_batch(), 0.0)["axial_dice_loss"].detach()) for _ in range(10)
    ]
    assert history[-1] < 0.8 * history[0]


def test_the_optimiser_is_the_authors() -> None:
    for optimizer in _ready().optimizers.values():
        group = optimizer.param_groups[0]
        assert (group["lr"], group["weight_decay"]) == (1e-3, 1e-7)


def test_segmentation_gives_probabilities_that_add_up() -> None:
    method = _ready().eval()
    with torch.no_grad():
        found = method.segment(_batch().image)
    assert found.shape == (2, 3, *SMALL)
    assert float(found.min()) >= 0
    assert float(found.sum(1).max()) <= 1 + 1e-6
