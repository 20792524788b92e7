"""Brain MRI from label maps (Shin et al. 2018, figure 1 b), and pairs with altered tumours."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from benchbed import Batch, DataShape, Losses
from benchbed_pix2pix3d.figure import draw_alterations
from benchbed_pix2pix3d.label_store import LabelStore
from benchbed_pix2pix3d.labels import make_empty_labels, to_codes, to_mask, to_one_hot
from benchbed_pix2pix3d.settings import SynthesisSettings
from benchbed_pix2pix3d.surgery import (
    SINGLE_CASE_ALTERATIONS,
    Alteration,
    Codes,
    LabelMap,
    alter_tumour,
    transplant_tumour,
)
from benchbed_pix2pix3d.translation import TranslationMethod

AIR_THRESHOLD = -0.99
"""Background is -1; voxels above this in any sequence are part of the head."""


class Pix2Pix3D(TranslationMethod[SynthesisSettings]):
    """Pix2pix from label maps to MRI in all sequences."""

    def build(self, data: DataShape) -> None:
        """Create the networks and the store of label maps for pairs."""
        s = self.settings
        self.build_networks(
            make_empty_labels(data.mask_channels), [-1.0] * data.channels, data.spatial
        )
        first = data.mask_channels - min(s.tumour_classes, data.mask_channels) + 1
        self.labels = LabelStore(s.stored_maps, first, *data.spatial)

    def receive_masks(self, masks: Iterable[Tensor]) -> None:
        """Store tumour-free label maps of another dataset: hosts for transplants."""
        for mask in masks:
            self.labels.add_hosts(to_codes(mask))

    def training_step(self, batch: Batch, progress: float) -> Losses:
        """Update D, then G; store label maps until the store is full."""
        del progress
        assert batch.mask is not None  # the spec requires masks
        codes = to_codes(batch.mask)
        self.labels.add(codes, self.find_brain(codes, batch.image))
        return self.step_translation(to_one_hot(batch.mask), batch.image)

    def find_brain(self, codes: Tensor, image: Tensor) -> Tensor:
        """Return possible tumour positions: labels, and non-air if tissue is unlabelled."""
        labelled = codes > 0
        if self.labels.first > 1:
            return labelled
        return labelled | (image > AIR_THRESHOLD).any(1)

    def synthesize(self, mask: Tensor, rng: torch.Generator) -> Tensor:
        """Return MRI for each label map; the noise is dropout's, from the global generator."""
        del rng
        image: Tensor = self.generator(to_one_hot(mask))
        return image

    def sample(self, count: int, rng: torch.Generator) -> Batch:
        """Return pairs of a training label map with an altered tumour, and MRI generated for it."""
        numbers = np.random.default_rng(int(torch.randint(2**31, (), generator=rng)))
        codes = np.stack([self.sample_altered(numbers) for _ in range(count)])
        mask = to_mask(torch.from_numpy(codes).to(self.device), self.data.mask_channels)
        return Batch(image=self.synthesize(mask, rng), mask=mask)

    def sample_altered(self, rng: np.random.Generator) -> Codes:
        """Sample a stored label map and alter its tumour; empty if no case is stored."""
        s, store = self.settings, self.labels
        if len(store) == store.host_count:
            return np.zeros(self.data.spatial, np.uint8)
        with_tumour, hosts = store.list_indices(sick=True), self.find_hosts()
        if not s.alter_tumours or len(with_tumour) == 0:
            return store[int(rng.integers(store.host_count, len(store)))].codes
        case = store[int(rng.choice(with_tumour))]
        how = rng.integers(len(SINGLE_CASE_ALTERATIONS) + (len(hosts) > 0))
        if how == len(SINGLE_CASE_ALTERATIONS):
            return transplant_tumour(case, store[int(rng.choice(hosts))])
        return self.alter_label_map(case, SINGLE_CASE_ALTERATIONS[how], rng)

    def alter_label_map(
        self, case: LabelMap, alteration: Alteration, rng: np.random.Generator
    ) -> Codes:
        """Shift, enlarge or shrink the tumour of a label map at random."""
        s = self.settings
        return alter_tumour(
            case, alteration, rng, largest_shift=s.largest_shift, largest_scaling=s.largest_scaling
        )

    def find_hosts(self) -> npt.NDArray[np.int64]:
        """Find the indices of label maps that a tumour may be transplanted to.

        Those of another dataset (Shin et al.: of ADNI), if any, else training cases without a
        tumour. If all have one and there are tissues: all, with theirs removed.
        """
        if self.labels.host_count:
            return np.arange(self.labels.host_count)
        without_tumour = self.labels.list_indices(sick=False)
        if len(without_tumour) or self.labels.first == 1:
            return without_tumour
        return self.labels.list_indices(sick=True)

    def draw_figure(self, rng: torch.Generator) -> npt.NDArray[np.uint8] | None:
        """Draw figure 3: a case, then its tumour shifted, enlarged, shrunk and transplanted."""
        with_tumour = self.labels.list_indices(sick=True)
        if len(with_tumour) == 0:
            return None
        numbers = np.random.default_rng(int(torch.randint(2**31, (), generator=rng)))
        case = self.labels[int(numbers.choice(with_tumour))]
        maps = [
            case.codes,
            *(self.alter_label_map(case, how, numbers) for how in SINGLE_CASE_ALTERATIONS),
        ]
        if len(hosts := self.find_hosts()):
            maps.append(transplant_tumour(case, self.labels[int(numbers.choice(hosts))]))
        classes = self.data.mask_channels
        mask = to_mask(torch.from_numpy(np.stack(maps)).to(self.device), classes)
        image = torch.cat([self.synthesize(one, rng) for one in mask.split(1)])
        return draw_alterations(maps, image, range(self.labels.first, classes + 1))
