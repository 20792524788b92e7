"""The contract of a method."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, cast

import torch
from torch import Tensor, nn

from benchbed.api.augmentation import Augmentation
from benchbed.api.distributed import DistributedContext
from benchbed.api.ema import ExponentialMovingAverage
from benchbed.api.settings import MethodSettings
from benchbed.api.types import Batch, DataShape

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from lightning_fabric import Fabric

    from benchbed.api.types import Losses

SettingsT = TypeVar("SettingsT", bound=MethodSettings)


@dataclass(frozen=True)
class DerivedArray:
    """An array computed once from every training image and cached, such as an edge map.

    Attributes:
        function: A module-level function from an image, uint8 ``(H, W, C)``, and the parameters
            to uint8 ``(H, W)`` or ``(H, W, C)`` of the same size.
        parameters: Its keyword arguments; with the source of its module they are the cache key.
        size: In-plane size in pixels at which it is computed, before it is area-averaged to the
            run's size; None for the run's size.
    """

    function: Callable[..., np.ndarray]
    parameters: Mapping[str, Any]
    size: int | None = None


class Method(nn.Module, ABC, Generic[SettingsT]):
    """A method: its networks, losses, order of updates and schedule.

    The harness owns what must be equal between methods: data, order, seeds, device, precision,
    budget, checkpoints, logging, sample counts and evaluation. It calls, in this order:

    1. ``build`` once, which assigns the networks as attributes and registers their optimisers
       with ``register_optimizers`` (and moving averages with ``register_ema``);
    2. ``training_step`` for every batch until the budget is spent; it updates networks only
       through ``update`` and returns the losses as scalar tensors without reading them, so that
       the loop never waits for the device;
    3. the capabilities that the spec declares: ``sample``, ``sample_pairs``, ``synthesize``,
       ``segment``. The harness seeds the global generator first, so that dropout noise is
       reproducible too.

    All state lives in networks, buffers, EMAs and optimisers; the harness saves and restores it.

    Attributes:
        discriminator_losses: Names of losses that are a discriminator's cross-entropy, the sum
            of that on real and on generated images. The harness reports collapse if one of them
            stays near 0.
        settings: The validated settings.
        data: The shape of the data, set before ``build``.
        steps: Number of training steps done.
        updates: Number of updates done, by optimiser name.
        distributed: This process among those that train the method together.
        augmentation: What ``augment`` applies; it receives D's scores of real images.
    """

    discriminator_losses: tuple[str, ...] = ()

    def __init__(self, settings: SettingsT) -> None:
        super().__init__()
        self.settings = settings
        self.data: DataShape
        self.steps = 0
        self.updates: Counter[str] = Counter()
        self.optimizers: dict[str, torch.optim.Optimizer] = {}
        self._averages: dict[str, str] = {}
        self._fabric: Fabric
        self.distributed = DistributedContext()
        self.augmentation = Augmentation()

    # -- implemented by plugins -------------------------------------------------------------

    @classmethod
    def get_derived_arrays(cls, settings: SettingsT) -> dict[str, DerivedArray]:
        """Return the arrays to compute from each image before training, as ``batch[name]``."""
        del settings
        return {}

    @abstractmethod
    def build(self, data: DataShape) -> None:
        """Create networks and optimisers for data of this shape.

        Args:
            data: Channels and size of the images; masks and classes, if any.
        """

    def receive_masks(self, masks: Iterable[Tensor]) -> None:
        """Receive the masks of the training cases of the dataset that ``--masks-from`` names.

        Called once before training, and only if the run has pseudo-labels. The default ignores
        them; they are not read then.

        Args:
            masks: Batches ``(B, M, ...)`` in {-1, 1} on the CPU, at the size of the run; their
                structures are the first of the run's masks.
        """
        del masks

    @abstractmethod
    def training_step(self, batch: Batch, progress: float) -> Losses:
        """Run one step of the paper's algorithm and return its losses.

        Args:
            batch: Images in [-1, 1] with their masks, labels and derived arrays.
            progress: Share of the budget spent, in [0, 1).

        Returns:
            Scalar losses by name.
        """

    def sample(self, count: int, rng: torch.Generator) -> Batch:
        """Return `count` images generated from noise drawn from `rng`.

        Returns:
            ``image`` ``(count, C, ...)`` in [-1, 1]; ``mask`` if the method makes pairs; further
            outputs worth showing in ``extra``.

        Raises:
            TypeError: The method does not have this capability.
        """
        raise self._make_unsupported_error("sample")

    def sample_pairs(self, count: int, rng: torch.Generator) -> Batch:
        """Return `count` images with masks, to train a segmentation network on.

        The default is ``sample``.

        Returns:
            ``image`` ``(count, C, ...)`` in [-1, 1] and ``mask`` ``(count, M, ...)`` in {-1, 1}.
        """
        return self.sample(count, rng)

    def draw_figure(self, rng: torch.Generator) -> npt.NDArray[np.uint8] | None:
        """Draw a figure as in the paper, such as one case changed in several ways, or None.

        The harness saves it after training. ``draw_sample_grid``, ``draw_tile_rows`` and
        ``SliceView`` of `benchbed` draw its parts.

        Returns:
            ``(H, W, 3)``.
        """
        del rng
        return None

    def synthesize(self, mask: Tensor, rng: torch.Generator) -> Tensor:
        """Return an image for each mask.

        Args:
            mask: ``(B, M, ...)`` in {-1, 1}.
            rng: Source of noise.

        Returns:
            ``(B, C, ...)`` in [-1, 1].

        Raises:
            TypeError: The method does not have this capability.
        """
        raise self._make_unsupported_error("synthesize")

    def segment(self, image: Tensor) -> Tensor:
        """Return the probability of each mask class for every pixel.

        Args:
            image: ``(B, C, ...)`` in [-1, 1].

        Returns:
            ``(B, M, ...)`` in [0, 1].

        Raises:
            TypeError: The method does not have this capability.
        """
        raise self._make_unsupported_error("segment")

    # -- called by plugins ------------------------------------------------------------------

    def augment(self, image: Tensor, colour_channels: int | None = None) -> Tensor:
        """Return what a discriminator sees of images; the same images unless the run augments.

        A method whose spec has ``takes_augmentation`` calls it on all real and all generated
        images that a discriminator sees, in G's step too: the gradient flows through. It also
        passes the scores of the real ones to ``augmentation.observe``.

        Args:
            image: ``(B, C, S, S)`` in [-1, 1], with masks or the like as further channels.
            colour_channels: Number of channels, from the first, whose colour may change; all
                channels move together. None for the channels of the data's images.
        """
        channels = self.data.channels if colour_channels is None else colour_channels
        return self.augmentation.apply(image, channels)

    def register_optimizers(self, **optimizers: torch.optim.Optimizer) -> None:
        """Register optimisers under the names that ``update`` takes.

        Args:
            **optimizers: Optimisers over the parameters of networks that are attributes.
        """
        self.optimizers.update(optimizers)

    def update(self, name: str, loss: Tensor) -> None:
        """Take one optimiser step down the gradient of `loss`.

        Only the parameters of this optimiser receive a gradient. Other networks in the graph of the
        loss get none, so a generator step neither changes nor spends time on the discriminator.

        Args:
            name: Name of the optimiser.
            loss: Scalar to minimise.
        """
        optimizer = self.optimizers[name]
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        optimizer.zero_grad(set_to_none=True)
        self._fabric.backward(loss, inputs=parameters)
        self.distributed.reduce_mean([p.grad for p in parameters if p.grad is not None])
        optimizer.step()
        self.updates[name] += 1

    def reset_optimizer(self, name: str) -> None:
        """Clear the state of the optimiser `name`, for example after its networks have grown."""
        optimizer = self.optimizers[name]
        optimizer.state.clear()

    def register_ema(self, name: str, decay: float) -> None:
        """Register an exponential moving average (EMA) of the network attribute `name`.

        Buffers, such as the statistics of batch normalisation, are averaged like weights. The decay
        warms up (`ExponentialMovingAverage`), so that the average follows a short training too.

        Args:
            name: Attribute of the network.
            decay: Final weight of the past in each ``update_ema``, in [0, 1).
        """
        self._averages[name] = f"{name}_average"
        setattr(self, self._averages[name], ExponentialMovingAverage(getattr(self, name), decay))

    def update_ema(self, name: str) -> None:
        """Move the EMA of network `name` towards its current weights."""
        self.get_ema(name).update_parameters(getattr(self, name))

    def restart_ema(self, name: str) -> None:
        """Start the EMA of network `name` afresh, for example when layers of it begin to train.

        The next ``update_ema`` copies the network, and the decay warms up again. Without that, the
        average would hold values from before the layers were trained.
        """
        self.get_ema(name).restart()

    def get_ema(self, name: str) -> ExponentialMovingAverage:
        """Return the EMA of network `name`."""
        averaged = getattr(self, self._averages[name])
        assert isinstance(averaged, ExponentialMovingAverage)
        return averaged

    def noise(
        self,
        count: int,
        *shape: int,
        rng: torch.Generator | None = None,
        distribution: Literal["normal", "uniform"] = "normal",
        std: float = 1.0,
    ) -> Tensor:
        """Return noise on the method's device.

        With `rng`, noise is drawn on the generator's device, the CPU, so that a seed gives the same
        samples on every device; training noise is drawn on the method's device.

        Args:
            count: Batch size.
            *shape: Shape of one noise vector.
            rng: Generator for sampling; None for the global one, in training.
            distribution: ``"normal"``, N(0, std^2), or ``"uniform"`` in [-1, 1].
            std: Standard deviation of normal noise.
        """
        training = rng is None
        size, source = (
            (self.distributed.world_size, self.distributed.noise_generator)
            if training
            else (1, rng)
        )
        noise = torch.empty(count * size, *shape, device=rng.device if rng else self.device)
        if distribution == "uniform":
            noise.uniform_(-1.0, 1.0, generator=source)
        else:
            noise.normal_(0.0, std, generator=source)
        return self.distributed.split_tensor(noise) if training else noise.to(self.device)

    @property
    def device(self) -> torch.device:
        """The device of the networks."""
        parameter = next(self.parameters(), None)
        return torch.device("cpu") if parameter is None else parameter.device

    @property
    def networks(self) -> dict[str, nn.Module]:
        """The trainable networks by attribute name, without EMAs."""
        averages = set(self._averages.values())
        children = {n: child for n, child in self.named_children() if n not in averages}
        return {n: child for n, child in children.items() if any(True for _ in child.parameters())}

    def _make_unsupported_error(self, capability: str) -> TypeError:
        return TypeError(f"{type(self).__name__} does not declare the capability {capability!r}")

    # -- called by the harness --------------------------------------------------------------

    def attach(self, fabric: Fabric) -> None:
        """Set up networks and optimisers with a launched `fabric`."""
        self._fabric = fabric
        self.distributed = DistributedContext(fabric)
        for name, network in self.networks.items():
            if self.data.dimensions == 2 and _should_use_channels_last(network, fabric.device):
                network.to(memory_format=torch.channels_last)
            setattr(self, name, fabric.setup_module(self.distributed.convert_batch_norm(network)))
        for name in self._averages.values():
            getattr(self, name).to(fabric.device)
        for name, optimizer in self.optimizers.items():
            self.optimizers[name] = cast(torch.optim.Optimizer, fabric.setup_optimizers(optimizer))

    def get_state(self) -> dict[str, Any]:
        """Return everything that training changes: networks, EMAs, optimisers, counters."""
        return {
            "modules": {name: child.state_dict() for name, child in self.named_children()},
            "own": self._get_own_tensors(),
            "optimizers": {name: o.state_dict() for name, o in self.optimizers.items()},
            "steps": self.steps,
            "updates": dict(self.updates),
            **({"augmentation": state} if (state := self.augmentation.get_state()) else {}),
        }

    def restore_state(self, state: Mapping[str, Any]) -> None:
        """Restore a saved state.

        Args:
            state: What ``get_state`` returned, for the same settings and data shape.

        Raises:
            RuntimeError: The state is from other networks.
        """
        for name, child in self.named_children():
            child.load_state_dict(state["modules"][name])
        with torch.no_grad():
            for name, tensor in self._get_own_tensors().items():
                tensor.copy_(state["own"][name])
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        self.steps = int(state["steps"])
        self.updates = Counter(state["updates"])
        # Absent if the augmentation has no state.
        self.augmentation.restore_state(state.get("augmentation", {}))

    def _get_own_tensors(self) -> dict[str, Tensor]:
        """Return the parameters and buffers that are attributes of the method itself."""
        own = {
            **dict(self.named_parameters(recurse=False)),
            **dict(self.named_buffers(recurse=False)),
        }
        return {name: tensor.detach() for name, tensor in own.items()}


def _should_use_channels_last(network: nn.Module, device: torch.device) -> bool:
    """Return whether a 2-D network is faster in channels-last memory format.

    Convolutions are, on CPUs and on tensor cores. But instance normalisation on a CPU needs the
    channels-first format: torch would convert before and after each one.
    """
    converts = any(isinstance(module, nn.InstanceNorm2d) for module in network.modules())
    return device.type != "cpu" or not converts
