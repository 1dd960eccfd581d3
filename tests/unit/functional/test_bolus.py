"""The passage of a contrast agent is found in noise, and kinetics with it, whenever it came."""

import numpy as np
import pytest
from scipy.signal import fftconvolve

from site_node.features.functional.dynamic import parker_input
from site_node.features.functional.maps import Lack, NoMapError, Volumes, compute
from site_node.features.functional.relaxation import spoiled_gradient_echo
from site_node.features.functional.settings import Kinetics

SHAPE = (4, 24, 24)
LESION = (slice(1, 3), slice(8, 16), slice(8, 16))
KTRANS, VE, VP = 0.15, 0.35, 0.05
STEP_S = 0.1


def series(interval_s: float, arrival_s: float, noise: float, ktrans: float = KTRANS) -> Volumes:
    """A lesion, and 2 % of vessels, in tissue that takes up nothing; T1 1.4 s, 15 degrees, 5 ms."""
    rng = np.random.default_rng(0)
    fine_min = np.arange(0, 300, STEP_S) / 60
    blood = parker_input(fine_min - arrival_s / 60)
    plasma = blood / (1 - 0.42)
    washed_out = fftconvolve(plasma, np.exp(-fine_min * ktrans / VE))[: fine_min.size] * STEP_S / 60
    time_s = np.arange(0, 300, interval_s)
    at = np.round(time_s / STEP_S).astype(int)
    agent = np.zeros((time_s.size, *SHAPE))
    agent[:, rng.random(SHAPE) < 0.02] = blood[at][:, None]
    agent[(slice(None), *LESION)] = (VP * plasma + ktrans * washed_out)[at].reshape(-1, 1, 1, 1)
    rate = 1 / 1.4 + 4.5 * agent
    signal = spoiled_gradient_echo(np.full(SHAPE, 5000.0), rate, np.deg2rad(15.0), 0.005)
    signal += rng.normal(0, noise * signal[0].mean(), signal.shape)
    shared = np.ones(time_s.size)
    taken = {"time_s": time_s, "flip_angle_degrees": 15 * shared, "repetition_time_ms": 5 * shared}
    return Volumes(signal.astype(np.float32), taken)  # type: ignore[arg-type]


def median(volumes: Volumes, name: str, **chosen: object) -> float:
    settings = Kinetics.model_validate({"map": name, "t1_ms": 1400, **chosen})
    return float(np.median(compute(settings, volumes, LESION)[LESION]))


@pytest.mark.parametrize(
    ("interval_s", "arrival_s", "noise"), [(5, 32, 0.03), (5, 32, 0.1), (10, 41, 0.03), (5, 12, 0.03)]
)
def test_kinetics_are_found_whenever_the_bolus_comes(
    interval_s: float, arrival_s: float, noise: float
) -> None:
    volumes = series(interval_s, arrival_s, noise)
    assert median(volumes, "ktrans") == pytest.approx(KTRANS, rel=0.03)
    assert median(volumes, "ve") == pytest.approx(VE, rel=0.03)
    assert median(volumes, "vp") == pytest.approx(VP, rel=0.05)


def test_a_series_may_say_how_many_images_come_first() -> None:
    volumes = series(5, 32, 0.03)
    assert median(volumes, "ktrans", baseline_images=6) == pytest.approx(KTRANS, rel=0.03)
    assert median(volumes, "ktrans", skip_images=2) == pytest.approx(KTRANS, rel=0.03)


def test_noise_is_no_bolus() -> None:
    rng = np.random.default_rng(0)
    still = series(5, 32, 0)
    signal = np.repeat(still.signal[:1], len(still.signal), axis=0)
    signal *= 1 + rng.normal(0, 0.1, signal.shape).astype(np.float32)
    with pytest.raises(NoMapError) as caught:
        median(Volumes(signal, still.taken), "ktrans")
    assert caught.value.lack is Lack.BOLUS
