"""Montage: the source's channels become the ordered derivations that the model was trained on.

"22 channels" names two different montages, so channels are matched by label, never by count or order. Every channel
is read as a difference of two electrodes; a derivation is taken as it is, reversed, or derived from two
channels that share a reference.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np

from detector.errors import BadDataError
from detector.messages import Chunk, Description, FloatArray

MONTAGES: dict[str, tuple[str, ...]] = {
    "chb-mit-22": tuple(
        "FP1-F7 F7-T7 T7-P7 P7-O1 FP1-F3 F3-C3 C3-P3 P3-O1 FP2-F4 F4-C4 C4-P4 P4-O2 FP2-F8 F8-T8 T8-P8 P8-O2 "
        "FZ-CZ CZ-PZ P7-T7 T7-FT9 FT9-FT10 FT10-T8".split()
    ),
    "tuh-tcp-22": tuple(
        "FP1-F7 F7-T3 T3-T5 T5-O1 FP2-F8 F8-T4 T4-T6 T6-O2 A1-T3 T3-C3 C3-CZ CZ-C4 C4-T4 T4-A2 FP1-F3 F3-C3 "
        "C3-P3 P3-O1 FP2-F4 F4-C4 C4-P4 P4-O2".split()
    ),
}

# Old names of the 10-20 system and their names since 1991 (American EEG Society guideline thirteen).
RENAMED = {"T3": "T7", "T4": "T8", "T5": "P7", "T6": "P8"}
# T1/T2 lie near FT9/FT10 but are not the same place, so they stand in only where the config says so.
STAND_INS = {"T1": "FT9", "T2": "FT10"}
COMMON_REFERENCES = ("REF", "LE", "AVG", "AR", "AVE")

_PREFIX = re.compile(r"^(EEG|POL)\s+")
_MNE_DUPLICATE = re.compile(r"-[0-9]+$")


def normalise(label: str, *, stand_ins: bool = False) -> str:
    """Return the canonical name of a channel: ``ANODE-CATHODE``, or ``ELECTRODE`` for a common reference.

    ``EEG Fp1-REF``, ``fp1``, ``POL FP1`` -> ``FP1``; ``T3-T5``, ``T7-P7-0`` -> ``T7-P7``. Normalising twice changes
    nothing. The reference of referential channels is kept apart by `electrodes`.
    """
    anode, cathode = electrodes(label, stand_ins=stand_ins)
    return anode if cathode in ("", *COMMON_REFERENCES) else f"{anode}-{cathode}"


def electrodes(label: str, *, stand_ins: bool = False) -> tuple[str, str]:
    """Return the channel's two electrodes; the second is the reference's name, or empty where none is named."""
    text = " ".join(label.upper().split())
    text = _PREFIX.sub("", text).replace(" ", "")
    # The numbers of a grid ("1-2") are electrodes; any other number after a hyphen counts duplicates.
    while text.count("-") > 1 or (text.count("-") == 1 and not text[0].isdigit()):
        shorter = _MNE_DUPLICATE.sub("", text)
        if shorter == text:
            break
        text = shorter
    anode, _, cathode = text.partition("-")

    def rename(name: str) -> str:
        name = RENAMED.get(name, name)
        return STAND_INS.get(name, name) if stand_ins else name

    return rename(anode), rename(cathode)


@dataclass(frozen=True)
class MontageConfig:
    """Which montage is wanted and how strictly.

    Parameters
    ----------
    montage
        A key of `MONTAGES`.
    min_derivations
        Derivations that must be there; the rest may be missing (they are masked).
    match
        ``"labels"``, or ``"order"`` for a source without labels whose channels are known to be in order.
    stand_ins
        Whether T1/T2 may stand in for FT9/FT10.
    """

    montage: str
    min_derivations: int
    match: Literal["labels", "order"] = "labels"
    stand_ins: bool = False


@dataclass(frozen=True)
class _Plan:
    plus: tuple[int, ...]
    minus: tuple[int, ...]
    signs: tuple[int, ...]
    duplicates: tuple[tuple[int, int], ...]
    notes: tuple[str, ...]
    missing: tuple[str, ...]


class Montage:
    """Turns chunks of source channels into chunks of derivations; derivations that are missing carry NaN.

    Raises
    ------
    BadDataError
        At construction when too few derivations can be made or a needed channel has no known unit; while processing
        when two channels of one label carry different samples.
    """

    def __init__(self, config: MontageConfig, description: Description) -> None:
        self.names = MONTAGES[config.montage]
        self._plan = _plan(config, description)
        self.notes = self._plan.notes
        self.missing = self._plan.missing
        made = [i for i, column in enumerate(self._plan.plus) if column >= 0]
        derived = [at for at, i in enumerate(made) if self._plan.minus[i] >= 0]  # among those
        self._made = np.array(made)
        self._derived = slice(None) if len(derived) == len(made) else np.array(derived, dtype=int)
        self._plus = np.array([self._plan.plus[i] for i in made])
        self._signs = np.array([self._plan.signs[i] for i in made], dtype=np.float32)
        self._reversed = bool((self._signs < 0).any())
        self._minus = np.array([self._plan.minus[made[at]] for at in derived], dtype=int)
        # Such a source's channels are the derivations already: nothing is to be done.
        own_order = self._plan.plus == tuple(range(len(description.labels)))
        self._is_same = own_order and not self._reversed and not derived and not self.missing
        self._labels = description.labels

    def process(self, chunk: Chunk) -> Chunk:
        """Return the chunk with (n_samples, n_derivations) samples."""
        samples = chunk.samples
        for first, second in self._plan.duplicates:
            if not np.array_equal(samples[:, first], samples[:, second], equal_nan=True):
                raise BadDataError(
                    f"channels {first + 1} and {second + 1} are both labelled {self._labels[first]!r} but carry "
                    "different samples; rename or remove one of them"
                )
        if self._is_same:
            return chunk
        out: FloatArray = samples.take(self._plus, axis=1)
        if self._reversed:
            out *= self._signs
        if len(self._minus):
            # Infinity less infinity is NaN, and a sum too large for float32 infinity: the quality stage sees to both.
            with np.errstate(invalid="ignore", over="ignore"):
                out[:, self._derived] -= samples.take(self._minus, axis=1)
        if self.missing:
            made, out = out, np.full((len(samples), len(self.names)), np.nan, dtype=np.float32)
            out[:, self._made] = made
        return Chunk(out, chunk.timestamps, chunk.good, chunk.missing)

    def reset(self) -> None:
        """Nothing is remembered between chunks."""


def _plan(config: MontageConfig, description: Description) -> _Plan:
    names = MONTAGES[config.montage]
    if config.match == "order":
        return _plan_by_order(names, description)
    if not any(label.strip() for label in description.labels):
        raise BadDataError(
            f"the {len(description.labels)} channels have no labels; expected the derivations of {config.montage}. "
            'Label them at the source, or say that they are known to be in exactly that order: `match = "order"` in '
            "[source] of a bed, `--match order` for a recording"
        )
    direct: dict[tuple[str, str], int] = {}
    duplicates: list[tuple[int, int]] = []
    notes: list[str] = []
    for column, label in enumerate(description.labels):
        pair = electrodes(label, stand_ins=config.stand_ins)
        if pair in direct:
            duplicates.append((direct[pair], column))
        else:
            direct[pair] = column
    references = sorted({cathode for _, cathode in direct})

    plus, minus, signs, missing = [], [], [], []
    for name in names:
        anode, cathode = electrodes(name)
        shared = [r for r in references if (anode, r) in direct and (cathode, r) in direct]
        if (anode, cathode) in direct:
            entry = direct[anode, cathode], -1, 1
        elif (cathode, anode) in direct:
            entry = direct[cathode, anode], -1, -1
            notes.append(f"{name} is taken from {description.labels[entry[0]]!r} reversed")
        elif shared:
            entry = direct[anode, shared[0]], direct[cathode, shared[0]], 1
        else:
            entry = -1, -1, 1
            missing.append(name)
        plus.append(entry[0])
        minus.append(entry[1])
        signs.append(entry[2])
    # Another montage's bipolar channels overlap with this one's: enough of them would pass for a poor one of ours.
    if len(names) - len(missing) < config.min_derivations or (missing and _other_montage(config, description)):
        raise BadDataError(
            f"montage {config.montage} needs at least {config.min_derivations} of its {len(names)} derivations, "
            f"found {len(names) - len(missing)}; missing: {', '.join(missing)}; the source's channels: "
            f"{', '.join(description.labels[:40])}{' ...' if len(description.labels) > 40 else ''}"
            f"{_other_montage(config, description)}"
        )
    used = {column for column in (*plus, *minus) if column >= 0}
    _require_units(description, used)
    unused = [label for column, label in enumerate(description.labels) if column not in used]
    if unused:
        notes.append(f"channels not used: {', '.join(unused[:20])}{' ...' if len(unused) > 20 else ''}")
    # A derivation and its reverse may both be there; only same-named pairs that are used must agree.
    duplicates = [pair for pair in duplicates if pair[0] in used]
    notes += [f"{description.labels[column]!r} comes twice; the first is used" for _, column in duplicates]
    return _Plan(tuple(plus), tuple(minus), tuple(signs), tuple(duplicates), tuple(notes), tuple(missing))


def _plan_by_order(names: tuple[str, ...], description: Description) -> _Plan:
    if len(description.labels) != len(names):
        raise BadDataError(
            f'match = "order" needs exactly {len(names)} channels, the source has {len(description.labels)}'
        )
    _require_units(description, set(range(len(names))))
    note = "channels are matched by their order, unchecked: the labels are not looked at"
    n = len(names)
    return _Plan(tuple(range(n)), (-1,) * n, (1,) * n, (), (note,), ())


def _require_units(description: Description, used: set[int]) -> None:
    unknown = [c for c in sorted(used) if description.scales_uv[c] is None]
    if unknown:
        declared = sorted({description.units[c] or "none" for c in unknown})
        raise BadDataError(
            f"the unit of {len(unknown)} needed channels is not known (declared: {', '.join(declared)}; first: "
            f'{description.labels[unknown[0]]!r}); add the line `unit = "microvolts"` (or mV, V, nV) to [source] '
            "of the bed, or --unit microvolts for a recording; better, declare it at the source"
        )


def _other_montage(config: MontageConfig, description: Description) -> str:
    there = {normalise(label) for label in description.labels}
    for other, names in MONTAGES.items():
        if other != config.montage and sum(normalise(name) in there for name in names) > len(names) * 0.9:
            return f". These are the derivations of {other}: use a model for that montage"
    return ""
