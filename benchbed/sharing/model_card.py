"""The model card in the archive of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchbed.api.specs import DatasetSpec, MethodSpec, MetricSpec
from benchbed.results.commands import describe_left_out_paths
from benchbed.results.record import MeasuredMetric, Record
from benchbed.utils.text import escape_markdown

DIRECTION_WORDS = {"up": "higher", "down": "lower", "none": "neither"}

LIMITATIONS = (
    "- **Not for clinical use**: not for diagnosis, treatment or any other decision about a "
    "person.\n- All outputs are synthetic. Never present them as images of a patient, and "
    "label them as synthetic.\n- The model was trained on one dataset and does not generalize "
    "to other scanners, populations or diseases.\n- The metrics are of one run with one seed, "
    "at the size and budget above. Other seeds differ.\n- Generative networks can reproduce "
    "training images. Check the memorisation metric and\n  the nearest training images, if "
    "included, before sharing samples."
)


_PYTHON_USAGE = """\
from pathlib import Path

from benchbed.results.store import ResultStore
from benchbed.runs.build import load_trained_method

_, method = load_trained_method"""


def render_model_card(
    record: Record,
    method: MethodSpec,
    dataset: DatasetSpec | None,
    metrics: Mapping[str, MetricSpec],
    *,
    plugin: str,
    stored: Sequence[str],
    pictures: Sequence[str],
    history: str | None = None,
) -> str:
    """Return the model card as Markdown; deterministic for equal records and plugins.

    Args:
        record: The run's record.
        method: Its method.
        dataset: Its dataset, or None if no installed plugin provides it.
        metrics: All known metrics, by name.
        plugin: The distribution that provided the method in training.
        stored: Names of tensors that contain training data.
        pictures: Members that are pictures.
        history: The member with the losses by step, if any.
    """
    title = record.dataset if dataset is None else dataset.title
    parts = [
        f"# {method.title}, trained on {escape_markdown(title)}",
        _render_lead(record),
        f"Run `{record.id}` of benchbed, a benchmark harness that compares GAN methods for medical "
        f"images; seed {record.seed}, {record.precision}.",
        "## Method",
        _render_method(method, plugin),
        "## Data",
        _render_data(record, dataset, stored, pictures),
        "## Training",
        _render_training(record, history),
        "## Results",
        _render_results(record, metrics),
        "## Intended use and limits",
        "For research on image synthesis and for comparing methods under an equal protocol.\n\n"
        + LIMITATIONS,
        "## How to use it",
        _render_usage(record, method, plugin),
    ]
    return "\n\n".join(parts) + "\n"


def _render_lead(record: Record) -> str:
    if record.source == "phantom":
        return (
            "**Trained on phantoms, not on patients.** No real image was used: the data is the "
            "procedural *phantom* of the dataset. The metrics do not apply to real images."
        )
    return "**Trained on real medical images.** The outputs are synthetic and show no patient."


def _render_method(method: MethodSpec, plugin: str) -> str:
    address = f" <{method.paper.url}>" if method.paper.url else ""
    count = len(method.deviations)
    lines = [
        f"`{method.name}`, from the package {escape_markdown(plugin)}.",
        f"Please cite: {escape_markdown(method.paper.citation)}{address}",
    ]
    if count:
        lines.append(
            f"The implementation deviates from the paper, or fills a gap in it, in {count} "
            f"places. Run `benchbed show {method.name}` to list them with reasons."
        )
    return "\n\n".join(lines)


def _render_data(
    record: Record, dataset: DatasetSpec | None, stored: Sequence[str], pictures: Sequence[str]
) -> str:
    cases = ", ".join(f"{count} {split}" for split, count in sorted(record.case_counts.items()))
    rows = [
        ("dataset", f"`{record.dataset}`" + (f", {dataset.title}" if dataset else "")),
        ("source", record.source),
        ("modality", dataset.modality if dataset else "unknown"),
        ("licence of the real data", dataset.licence if dataset else "unknown"),
        ("fingerprint", f"`{record.fingerprint}`"),
        ("cases", cases),
    ]
    if dataset is not None and dataset.paper is not None:
        rows.append(("cite", dataset.paper.citation))
    rows += [("trained on", part.label) for part in (record.pairs, record.pseudo_labels) if part]
    notes: list[str] = []
    if stored:
        names = ", ".join(f"`{name}`" for name in stored)
        notes.append(
            f"The weights include stored training data: {names} contain values of the training "
            "cases, such as masks."
        )
    if pictures:
        notes.append(
            "The pictures may show training or test images: nearest training images next to "
            "samples, or masks and images next to their outputs."
        )
    if notes and record.source == "real":
        notes.append("The licence and terms of the real data apply to them as well.")
    return "\n\n".join([_format_table(("what", ""), rows), *notes])


def _render_training(record: Record, history: str | None) -> str:
    training, protocol = record.training, record.protocol
    kimg, seconds = protocol.get("kimg"), protocol.get("seconds")
    budget = f"{kimg:g} thousand images" if kimg is not None else f"{seconds:g} s of training"
    parameters = ", ".join(f"{name} {count:,}" for name, count in training.parameters.items())
    return _format_table(
        ("what", ""),
        [
            ("protocol", f"`{record.protocol_hash}`, preset {protocol.get('preset')}"),
            ("size", f"{protocol.get('size')} px; channels: {protocol.get('channels')}"),
            ("budget", f"{budget}, equal for all compared methods"),
            ("spent", f"{training.kimg:g} thousand images in {training.steps} steps"),
            ("time", f"{training.seconds:g} s, {training.images_per_second:g} images a second"),
            ("machine", f"{record.provenance.processor}; {record.provenance.device}"),
            ("trained parameters", parameters),
            *([("losses, step by step", f"`{history}`")] if history else []),
            ("made", f"{record.provenance.created_at}, benchbed {record.provenance.benchbed}"),
            ("made by", f"`{record.provenance.command}`"),
            *([("paths", paths)] if (paths := describe_left_out_paths(record)) else []),
        ],
    )


def _render_results(record: Record, metrics: Mapping[str, MetricSpec]) -> str:
    if not record.metrics:
        return "No metrics recorded."
    rows = [_format_result(measured, metrics.get(measured.metric)) for measured in record.metrics]
    headings = ("metric", "value", "95 %", "baseline", "better", "real, generated", "recipe")
    return (
        "The baseline is the same metric between two disjoint halves of the real data: the "
        "value that images as good as real ones would reach.\n\n" + _format_table(headings, rows)
    )


def _format_result(measured: MeasuredMetric, spec: MetricSpec | None) -> tuple[str, ...]:
    ends = measured.interval
    interval = "" if ends is None else f"{ends[0]:.4g} to {ends[1]:.4g}"
    note = f" ({measured.note})" if measured.note else ""
    return (
        measured.metric,
        "–" if measured.value is None else f"{measured.value:.4g}",
        interval,
        "–" if measured.baseline is None else f"{measured.baseline:.4g} (n={measured.n_baseline})",
        "unknown" if spec is None else DIRECTION_WORDS[spec.direction],
        f"{measured.n_real}, {measured.n_fake}",
        measured.recipe + note,
    )


def _render_usage(record: Record, method: MethodSpec, plugin: str) -> str:
    # The user may have renamed the archive; the run id is the name that export gives it.
    lines = ["```", f"benchbed import {record.id}.zip"]
    if "sample" in method.capabilities:
        lines.append(f"benchbed sample {record.id} -n 100 --out pictures --seed 0")
    text = (
        f"With benchbed and {escape_markdown(plugin)}:\n\n" + "\n".join([*lines, "```"]) + "\n\n"
        "The same seed gives the same images.\n\n"
    )
    others = sorted(method.capabilities & {"synthesize", "segment"})
    if others:
        calls = " and ".join(f"`method.{name}`" for name in others)
        text += f"In Python, for {calls}:\n\n```python\n{_PYTHON_USAGE}(\n"
        text += f'    ResultStore(Path("results")), "{record.id}"\n)\n```\n\n'
    return text + (
        "Without benchbed, `safetensors.torch.load_file('weights.safetensors')` returns the "
        "tensors by their `state_dict` names. Names starting with `NETWORK_average.` are the "
        "EMA of a network; samples use it if present."
    )


def _format_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [
        headings,
        ["---"] * len(headings),
        *([escape_markdown(cell) for cell in row] for row in rows),
    ]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
