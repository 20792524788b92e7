"""Brain MRI from label maps (Shin et al. 2018, figure 1 b), and pairs with altered tumours."""

from __future__ import annotations

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
"""Images have -1 where there is nothing; what exceeds this in any sequence is part of the head."""


class Pix2Pix3D(TranslationMethod[SynthesisSettings]):
    """From label maps to MRI in all sequences."""

    def build(self, data: DataShape) -> None:
        """The networks, and room for label maps to make pairs from."""
        s = self.settings
        self.build_networks(
            make_empty_labels(data.mask_channels), [-1.0] * data.channels, data.spatial
        )
        first = data.mask_channels - min(s.tumour_classes, data.mask_channels) + 1
        self.labels = LabelStore(s.stored_maps, first, *data.spatial)

    def training_step(self, batch: Batch, progress: float) -> Losses:
        """One update of D and of G; label maps are kept while there is room."""
        del progress
        assert batch.mask is not None  # the spec says that it needs one
        codes = to_codes(batch.mask)
        self.labels.add(codes, self.find_brain(codes, batch.image))
        return self.step_translation(to_one_hot(batch.mask), batch.image)

    def find_brain(self, codes: Tensor, image: Tensor) -> Tensor:
        """Where a tumour may be: what has a label; without tissue labels what is no air either."""
        labelled = codes > 0
        if self.labels.first > 1:
            return labelled
        return labelled | (image > AIR_THRESHOLD).any(1)

    def synthesize(self, mask: Tensor, rng: torch.Generator) -> Tensor:
        """MRI for each label map; the noise is dropout's, from the global generator."""
        del rng
        image: Tensor = self.generator(to_one_hot(mask))
        return image

    def sample(self, count: int, rng: torch.Generator) -> Batch:
        """Pairs of a training label map with an altered tumour, and MRI made for it."""
        numbers = np.random.default_rng(int(torch.randint(2**31, (), generator=rng)))
        codes = np.stack([self.sample_altered(numbers) for _ in range(count)])
        mask = to_mask(torch.from_numpy(codes).to(self.device), self.data.mask_channels)
        return Batch(image=self.synthesize(mask, rng), mask=mask)

    def sample_altered(self, rng: np.random.Generator) -> Codes:
        """One of the kept label maps with its tumour altered; empty before any training."""
        s, store = self.settings, self.labels
        if len(store) == 0:
            return np.zeros(self.data.spatial, np.uint8)
        sick, hosts = store.list_indices(sick=True), self.find_hosts()
        if not s.alter_tumours or len(sick) == 0:
            return store[int(rng.integers(len(store)))].codes
        case = store[int(rng.choice(sick))]
        how = rng.integers(len(SINGLE_CASE_ALTERATIONS) + (len(hosts) > 0))
        if how == len(SINGLE_CASE_ALTERATIONS):
            return transplant_tumour(case, store[int(rng.choice(hosts))])
        return self.alter_label_map(case, SINGLE_CASE_ALTERATIONS[how], rng)

    def alter_label_map(self, case: LabelMap, how: Alteration, rng: np.random.Generator) -> Codes:
        """A label map whose tumour is shifted, enlarged or shrunk by chance."""
        s = self.settings
        return alter_tumour(
            case, how, rng, largest_shift=s.largest_shift, largest_scaling=s.largest_scaling
        )

    def find_hosts(self) -> npt.NDArray[np.int64]:
        """The places of label maps that a tumour may be transplanted to.

        Those without one; where all have one and tissues too, any, whose own is then removed.
        """
        sound = self.labels.list_indices(sick=False)
        if len(sound) or self.labels.first == 1:
            return sound
        return self.labels.list_indices(sick=True)

    def draw_figure(self, rng: torch.Generator) -> npt.NDArray[np.uint8] | None:
        """Figure 3: one case as it is, then its tumour shifted, enlarged, shrunk, transplanted."""
        sick = self.labels.list_indices(sick=True)
        if len(sick) == 0:
            return None
        numbers = np.random.default_rng(int(torch.randint(2**31, (), generator=rng)))
        case = self.labels[int(numbers.choice(sick))]
        shown = [
            case.codes,
            *(self.alter_label_map(case, how, numbers) for how in SINGLE_CASE_ALTERATIONS),
        ]
        if len(hosts := self.find_hosts()):
            shown.append(transplant_tumour(case, self.labels[int(numbers.choice(hosts))]))
        classes = self.data.mask_channels
        mask = to_mask(torch.from_numpy(np.stack(shown)).to(self.device), classes)
        image = torch.cat([self.synthesize(one, rng) for one in mask.split(1)])
        return draw_alterations(shown, image, range(self.labels.first, classes + 1))
