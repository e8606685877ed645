import numpy as np

from usassist.core.training.calibrate import choose_presence_threshold, fit_platt


def test_platt_recovers_what_made_the_labels() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=20_000) * 2
    labels = (rng.random(20_000) < 1 / (1 + np.exp(-(1.7 * logits - 0.6)))).astype(float)
    scale, bias = fit_platt(logits, labels)
    assert abs(scale - 1.7) < 0.08 and abs(bias + 0.6) < 0.08


def test_platt_of_separable_data_stays_finite() -> None:
    scale, bias = fit_platt(np.array([-3.0, -2, 2, 3]), np.array([0.0, 0, 1, 1]))
    assert np.isfinite([scale, bias]).all() and scale > 0


def test_a_fraction_is_a_target_too() -> None:
    _, bias = fit_platt(np.zeros(500), np.full(500, 0.8))
    assert abs(1 / (1 + np.exp(-bias)) - 0.8) < 0.01


def test_the_presence_threshold_weighs_lost_lesions_by_their_dice() -> None:
    presence = np.array([0.2, 0.3, 0.9])
    shows = np.array([False, True, True])
    assert 0.2 < choose_presence_threshold(presence, np.array([0.0, 0.9, 0.9]), shows) <= 0.3
    assert choose_presence_threshold(presence, np.array([0.0, 0.01, 0.9]), shows) <= 0.3
