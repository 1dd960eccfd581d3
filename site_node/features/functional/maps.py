"""From images of one place, and what each was taken with, to a map; or why there is none."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from site_node.features.arrays import Box, Floats

from .dynamic import fit_extended_tofts, misfit, parker_input
from .relaxation import adc, concentration, r1_from_flip_angles, r2_star
from .settings import Adc, BloodVolume, Kinetics, R2Star, SeriesMap
from .susceptibility import blood_volume, delta_r2_star

Quantity = Literal["b_s_mm2", "time_s", "echo_time_ms", "flip_angle_degrees", "repetition_time_ms"]

STEP_S = 0.5  # at which the arterial input is sampled: its first pass lasts 6 s
STRONGEST = 0.01  # share of the voxels, those that change most: the vessels, which tell when the bolus comes
CHANGE, CERTAIN = 0.05, 5.0  # a bolus changes their signal by this share, and this many deviations
TISSUE = 0.2  # of the 98th percentile of the signal: what is more is tissue, not air
LATE = 0.1  # share of the images, the last ones: where they are as before the bolus nothing leaked


class Lack(StrEnum):
    """Why there is no map."""

    VOLUMES = "map-one-volume"
    B_VALUES = "map-no-b-values"
    ECHO_TIMES = "map-no-echo-times"
    FLIP_ANGLES = "map-no-flip-angles"
    REPETITION = "map-no-repetition-time"
    TIMES = "map-no-times"
    INCOMPLETE = "map-incomplete-volumes"
    OTHER_GRID = "map-other-grid"
    T1 = "map-no-t1"
    BOLUS = "map-no-bolus"
    REFERENCE = "map-no-reference"
    UNIT = "map-unit-unknown"
    MODALITY = "map-of-another-modality"


LACKS: dict[Lack, str] = {
    Lack.VOLUMES: "one volume, where this map is made of several",
    Lack.B_VALUES: "no b-values in the header, or fewer than two",
    Lack.ECHO_TIMES: "no echo times in the header, or not as many as this map needs",
    Lack.FLIP_ANGLES: "no flip angles in the header, or not as many as this map needs",
    Lack.REPETITION: "no repetition time in the header, or several",
    Lack.TIMES: "the header does not say when each volume was taken",
    Lack.INCOMPLETE: "the volumes of the series are not equally many at every position",
    Lack.OTHER_GRID: "the images with several flip angles lie on another grid",
    Lack.T1: "neither a T1 in the settings nor images with several flip angles",
    Lack.BOLUS: "no passage of a contrast agent is seen after the first images",
    Lack.REFERENCE: "no brain without leakage is seen, to which the blood volume is relative",
    Lack.UNIT: "a stored map that does not say its unit",
    Lack.MODALITY: "images of another modality than this map's",
}
_LACK_OF: dict[Quantity, Lack] = {
    "b_s_mm2": Lack.B_VALUES,
    "time_s": Lack.TIMES,
    "echo_time_ms": Lack.ECHO_TIMES,
    "flip_angle_degrees": Lack.FLIP_ANGLES,
    "repetition_time_ms": Lack.REPETITION,
}


class NoMapError(Exception):
    """The map cannot be made; carries what it lacks, never a value."""

    def __init__(self, lack: Lack) -> None:
        super().__init__(LACKS[lack])
        self.lack = lack


def lack_of(quantity: Quantity) -> NoMapError:
    """The error where images do not tell this quantity."""
    return NoMapError(_LACK_OF[quantity])


def axis_of(settings: SeriesMap) -> Quantity:
    """What differs between the images that this map is made of."""
    axes: dict[str, Quantity] = {
        "adc": "b_s_mm2",
        "r2_star": "echo_time_ms",
        "t1": "flip_angle_degrees",
    }
    return axes.get(settings.map, "time_s")


@dataclass(frozen=True)
class Volumes:
    """Images of one place (volume, z, y, x), and what each was taken with, (volume) a quantity told."""

    signal: NDArray[np.float32]
    taken: Mapping[Quantity, Floats]

    def each(self, quantity: Quantity) -> Floats:
        """The quantity for every volume, (volume,). Raises NoMapError where one is not known."""
        values = self.taken.get(quantity)
        if values is None or not np.all(np.isfinite(values)):
            raise lack_of(quantity)
        return values

    def one(self, quantity: Quantity) -> float:
        """The quantity that all volumes share. Raises NoMapError."""
        values = self.each(quantity)
        if np.ptp(values) > 1e-3 * abs(values[0]) or values[0] <= 0:
            raise lack_of(quantity)
        return float(values[0])

    def part(self, which: slice | NDArray[np.bool_]) -> "Volumes":
        """These of the volumes."""
        return Volumes(self.signal[which], {name: values[which] for name, values in self.taken.items()})


def compute(settings: SeriesMap, volumes: Volumes, box: Box, flips: Volumes | None = None) -> Floats:
    """The map (z, y, x) in the unit of `UNITS`, inside the box; NaN outside, and where there is no fit.

    `flips` are images of the same grid with several flip angles, for the T1 that kinetics need.

    Raises:
        NoMapError: the images do not tell what the map needs.
    """
    if len(volumes.signal) < 2:
        raise NoMapError(Lack.VOLUMES)
    if flips is not None and flips.signal.shape[1:] != volumes.signal.shape[1:]:
        raise NoMapError(Lack.OTHER_GRID)
    result = np.full(volumes.signal.shape[1:], np.nan)
    if isinstance(settings, Adc):
        result[box] = _adc(settings, volumes, box)
    elif isinstance(settings, R2Star):
        echoes = _several(volumes, "echo_time_ms")
        result[box] = r2_star(_in(volumes, box), echoes / 1000)
    elif isinstance(settings, Kinetics):
        result[box] = _kinetics(settings, volumes, box, flips)
    elif isinstance(settings, BloodVolume):
        result[box] = _relative_blood_volume(settings, volumes, box)
    else:
        result[box] = 1000 * _t1_s(volumes, box)
    return result


def _in(volumes: Volumes, box: Box) -> Floats:
    return volumes.signal[(slice(None), *box)].astype(np.float64)


def _several(volumes: Volumes, quantity: Quantity) -> Floats:
    """The quantity for every volume, at least two of them different. Raises NoMapError."""
    values = volumes.each(quantity)
    if np.unique(values).size < 2:
        raise lack_of(quantity)
    return values


def _adc(settings: Adc, volumes: Volumes, box: Box) -> Floats:
    b = volumes.each("b_s_mm2")
    used = volumes.part(b >= settings.least_b_s_mm2)
    return 1e6 * adc(_in(used, box), _several(used, "b_s_mm2"))


def _t1_s(volumes: Volumes, box: Box) -> Floats:
    flips = np.deg2rad(_several(volumes, "flip_angle_degrees"))
    rate = r1_from_flip_angles(_in(volumes, box), flips, volumes.one("repetition_time_ms") / 1000)
    with np.errstate(divide="ignore"):
        return np.asarray(np.where(rate > 0, 1 / rate, np.nan))


def _kinetics(settings: Kinetics, volumes: Volumes, box: Box, flips: Volumes | None) -> Floats:
    volumes = volumes.part(slice(settings.skip_images, None))
    time_s = _times(volumes)
    before = settings.baseline_images or _images_before_bolus(volumes)
    signal = _in(volumes, box)
    flip = np.deg2rad(volumes.one("flip_angle_degrees"))
    tr_s = volumes.one("repetition_time_ms") / 1000
    t1_s = _t1_before(settings, flips, signal.shape[1:], box)
    agent = concentration(signal, t1_s, flip, tr_s, settings.relaxivity_per_s_mm, slice(0, before))
    tissue = agent.reshape(len(agent), -1)
    fine_s = np.union1d(time_s, np.arange(time_s[0], time_s[-1], STEP_S)).round(6)
    at = np.searchsorted(fine_s, time_s.round(6))
    arrival_s = _arrival(settings, fine_s, at, tissue, before)
    found = fit_extended_tofts(fine_s / 60, _plasma(settings, fine_s - arrival_s), tissue, at)
    return np.asarray(getattr(found, settings.map).reshape(signal.shape[1:]))


def _plasma(settings: Kinetics, since_s: Floats) -> Floats:
    """The concentration in plasma, mM; cells take none, so it is that of blood over their complement."""
    return np.asarray(parker_input(since_s / 60) / (1 - settings.hematocrit))


def _t1_before(settings: Kinetics, flips: Volumes | None, shape: tuple[int, ...], box: Box) -> Floats:
    if flips is not None:
        return _t1_s(flips, box)
    if settings.t1_ms is None:
        raise NoMapError(Lack.T1)
    return np.full(shape, settings.t1_ms / 1000)


def _arrival(settings: Kinetics, fine_s: Floats, at: NDArray[np.intp], tissue: Floats, before: int) -> float:
    """When the agent arrives: the time around its first image with which the mean curve is fitted best."""
    known = tissue[:, np.all(np.isfinite(tissue), axis=0)]
    time_s = fine_s[at]
    first, last = time_s[max(before - 2, 0)], time_s[min(before + 1, time_s.size - 1)]
    tried = np.arange(first, last, STEP_S)
    if not known.shape[1]:
        return float(time_s[before])
    curve = known.mean(axis=1)
    costs = [
        misfit(fine_s / 60, _plasma(settings, fine_s - arrival_s), curve, at) for arrival_s in tried.tolist()
    ]
    return float(tried[int(np.argmin(costs))])


def _relative_blood_volume(settings: BloodVolume, volumes: Volumes, box: Box) -> Floats:
    """After Boxerman, Schmainda and Weisskoff 2006; the reference is brain whose signal comes back."""
    volumes = volumes.part(slice(settings.skip_images, None))
    time_s = _times(volumes)
    echo_s = volumes.one("echo_time_ms") / 1000
    before = settings.baseline_images or _images_before_bolus(volumes)
    baseline = volumes.signal[:before]
    mean, spread = baseline.mean(axis=0), baseline.std(axis=0)
    tissue = mean > TISSUE * np.percentile(mean, 98)
    late = volumes.signal[-max(3, round(LATE * len(time_s))) :].mean(axis=0)
    sound = tissue & (np.abs(late - mean) <= np.maximum(spread, 0.01 * mean))
    if not np.count_nonzero(sound) >= STRONGEST * np.count_nonzero(tissue) > 0:
        raise NoMapError(Lack.REFERENCE)
    change = delta_r2_star(volumes.signal[:, sound].astype(np.float64), echo_s, before)
    healthy = change[:, np.all(np.isfinite(change), axis=0)].mean(axis=1)
    signal = _in(volumes, box)
    here = delta_r2_star(signal.reshape(len(signal), -1), echo_s, before)
    found = blood_volume(time_s, np.column_stack([healthy, here]), healthy).corrected
    return np.asarray(found[1:] / found[0]).reshape(signal.shape[1:])


def _times(volumes: Volumes) -> Floats:
    """The times in s from the first volume on. Raises NoMapError where they do not rise."""
    time_s = volumes.each("time_s")
    if time_s.size < 4 or np.diff(time_s).min() <= 0:
        raise NoMapError(Lack.TIMES)
    return np.asarray(time_s - time_s[0])


def _images_before_bolus(volumes: Volumes) -> int:
    """How many images come before the contrast agent, by the voxels whose signal changes most.

    The break of their mean curve: constant before, straight from there to its peak, by least squares (Cheong,
    Phys Med Biol 2003;48:N83).
    """
    signal = volumes.signal.reshape(len(volumes.signal), -1)
    first = signal[:1]
    change = np.zeros(signal.shape[1], dtype=np.float32)
    for later in signal[1:]:  # one volume at a time: all at once would double the memory
        np.maximum(change, np.abs(later - first[0]), out=change)
    tissue = first[0] > TISSUE * np.percentile(first[0], 98)
    change[~tissue] = 0
    count = max(1, round(STRONGEST * signal.shape[1]))
    strongest = np.argpartition(change, -count)[-count:]
    curve = np.abs(signal[:, strongest] - first[:, strongest]).mean(axis=1, dtype=np.float64)
    peak = int(curve.argmax())
    costs = {n: _cost_of_break(curve[: peak + 1], n) for n in range(1, peak + 1)}
    if not costs:
        raise NoMapError(Lack.BOLUS)
    before = min(costs, key=lambda n: costs[n])
    quiet = curve[1:before] if before > 2 else curve[:before]
    size = float(first[:, strongest].mean())
    if curve[peak] - quiet.mean() < max(CHANGE * size, CERTAIN * quiet.std()):
        raise NoMapError(Lack.BOLUS)
    return before


def _cost_of_break(curve: Floats, n: int) -> float:
    """The squares that are left when the first n samples are constant, and a line goes on from there."""
    level = curve[:n].mean()
    x = np.arange(1.0, curve.size - n + 1)
    rise = curve[n:] - level
    slope = (x @ rise) / (x @ x)
    return float(((curve[:n] - level) ** 2).sum() + ((rise - slope * x) ** 2).sum())
