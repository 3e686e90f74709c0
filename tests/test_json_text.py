from __future__ import annotations

import json
import math

import numpy as np

from detector.json_text import json_text
from detector.messages import Outcome


def test_what_is_no_finite_number_is_null_however_deep() -> None:
    facts = {"a": math.nan, "b": [1.5, -math.inf, (math.nan,)], "c": {"d": np.float32("nan"), 5: None}}
    assert json.loads(json_text(facts)) == {"a": None, "b": [1.5, None, [None]], "c": {"d": None, "5": None}}


def test_numpy_and_enumerations_are_told_by_value() -> None:
    facts = {"n": np.int64(3), "x": np.array([0.5, 1.5]), "outcome": Outcome.ENDED}
    assert json.loads(json_text(facts)) == {"n": 3, "x": [0.5, 1.5], "outcome": "ended"}


def test_whatever_is_in_a_text_its_line_is_plain_ascii() -> None:
    text = json_text({"said": "\x1b[31m\nµ\u202e\udc80"})
    assert text.isascii()
    assert text.isprintable()
    assert json.loads(text)["said"] == "\x1b[31m\nµ\u202e\udc80"


def test_what_json_does_not_know_is_told_by_its_text() -> None:
    assert json.loads(json_text({"error": ValueError("bad")})) == {"error": "bad"}
