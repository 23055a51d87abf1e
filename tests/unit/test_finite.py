"""Values without NaN and infinities, as a strict JSON writer takes them."""

import json
import math

import numpy as np

from harness.core.finite import finite


def test_what_json_cannot_hold_becomes_null() -> None:
    value = {1: (math.nan, 1.5), "deep": [{"x": -math.inf}], "kept": [True, None, 3, "text"]}
    assert json.loads(json.dumps(finite(value), allow_nan=False)) == {
        "1": [None, 1.5],
        "deep": [{"x": None}],
        "kept": [True, None, 3, "text"],
    }


def test_a_numpy_number_becomes_a_plain_float() -> None:
    assert type(finite(np.float64(0.5))) is float
