"""Faster forms of the growing networks' layers are the same functions as the plain ones."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from benchbed.nn import equalized
from benchbed.nn.equalized import EqualizedConv2d, pixel_norm


def plain_doubled(conv: EqualizedConv2d, x: Tensor) -> Tensor:
    """Repeat each pixel, then convolve."""
    doubled = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
    return F.conv2d(doubled, conv.weight * conv.scale, conv.bias, padding=1)


def plain_norm(x: Tensor) -> Tensor:
    """Section 4.2 as it is printed."""
    return x / torch.sqrt(x.square().mean(1, keepdim=True) + 1e-8)


def derivatives(
    function: Callable[[Tensor], Tensor], x: Tensor, parameters: list[Tensor]
) -> list[Tensor]:
    """Value, first derivatives, and the derivatives of a penalty on the first."""
    value = function(x)
    first = torch.autograd.grad(value.square().sum(), [x, *parameters], create_graph=True)
    penalty = first[0].square().sum()
    second = torch.autograd.grad(penalty, [x, *parameters], allow_unused=True)
    return [value, *first, *(part for part in second if part is not None)]


@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("shape", [(2, 5, 8, 8), (3, 4, 9, 12)])
def test_folded_doubling_is_the_plain_one(
    order: torch.memory_format, shape: tuple[int, int, int, int]
) -> None:
    """Value, gradients and double gradients, borders included, to 1e-12 in float64."""
    torch.manual_seed(0)
    conv = EqualizedConv2d(shape[1], 6, 3).double().to(memory_format=order)
    torch.nn.init.normal_(conv.bias)
    x = torch.randn(shape, dtype=torch.float64).contiguous(memory_format=order).requires_grad_()
    assert equalized._should_fold(x)
    parameters = [conv.weight, conv.bias]
    ours = derivatives(conv.forward_upsampled, x, parameters)
    theirs = derivatives(lambda x: plain_doubled(conv, x), x, parameters)
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-10)


def test_small_maps_and_autocast_are_not_folded() -> None:
    """There the plain form is taken, and is equal bit for bit."""
    conv, x = EqualizedConv2d(5, 6, 3), torch.randn(2, 5, 4, 4)
    assert not equalized._should_fold(x)
    assert torch.equal(conv.forward_upsampled(x), plain_doubled(conv, x))
    wide = torch.randn(2, 5, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        assert not equalized._should_fold(wide)
        assert torch.equal(conv.forward_upsampled(wide), plain_doubled(conv, wide))


@pytest.mark.parametrize("shape", [(4, 7), (2, 5, 3, 4)])
def test_pixel_norm_has_the_derivatives_of_its_definition(shape: tuple[int, ...]) -> None:
    """First and second ones, to 1e-10 in float64, and by finite differences."""
    torch.manual_seed(0)
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    weight = torch.randn_like(x)
    ours = derivatives(lambda x: weight * pixel_norm(x), x, [])
    theirs = derivatives(lambda x: weight * plain_norm(x), x, [])
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-10)
    assert torch.autograd.gradcheck(pixel_norm, (x,))
    assert torch.autograd.gradgradcheck(pixel_norm, (x,))


def test_pixel_norm_keeps_the_memory_order() -> None:
    """Channels last in, channels last out, of values and of gradients."""
    x = torch.randn(2, 8, 6, 6).contiguous(memory_format=torch.channels_last).requires_grad_()
    y = pixel_norm(x)
    (gradient,) = torch.autograd.grad(y, x, torch.ones_like(y))
    assert y.is_contiguous(memory_format=torch.channels_last)
    assert gradient.is_contiguous(memory_format=torch.channels_last)


def test_pixel_norm_of_nothing_is_nothing() -> None:
    """A pixel of zeros stays so, and its gradient is finite."""
    x = torch.zeros(1, 3, 2, 2, requires_grad=True)
    (gradient,) = torch.autograd.grad(pixel_norm(x).sum(), x)
    assert torch.equal(pixel_norm(x), torch.zeros_like(x))
    assert gradient.isfinite().all()
